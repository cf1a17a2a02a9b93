//! Who this device is: a key that never leaves it, a certificate for it, and the CA it answers to.
//!
//! Does not decide whether a token is good (the server does) and does not renew certificates.
//! Modules: [`key`] makes key and request; [`files`] keeps it all; [`enrol`] asks for the certificate; [`tls`]
//! makes connections with it.

pub mod enrol;
pub mod files;
pub mod key;
pub mod tls;

pub use files::{Identity, ServerAddress};
