//! Who this device is: a key that never leaves it, a certificate for it, and the CA it answers to.
//!
//! Does not decide whether a token is good (the server does) and does not renew certificates.
//! Modules: [`key`] makes key and request; [`files`] keeps it all; [`enrol`] asks for the certificate; [`seed`] does
//! so without hands; [`tls`] makes connections with it.

pub mod enrol;
pub mod files;
pub mod key;
pub mod seed;
pub mod tls;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use files::{Identity, ServerAddress};

/// Configuration of enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where a seed file may be; the first that can be used is.
    pub seed_files: Vec<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        // The first is where the package's service moves the others to, from partitions that it cannot write itself.
        let places = [
            "/var/lib/dunlin-agent/seed.toml",
            "/boot/firmware/dunlin-seed.toml",
            "/boot/dunlin-seed.toml",
            "/etc/dunlin/seed.toml",
        ];
        Self { seed_files: places.map(PathBuf::from).into() }
    }
}
