//! The Update Framework: verify on the device, write on the server side.
//!
//! Nothing unsigned is ever loaded, so this crate is the only way by which a file becomes a model. It follows the
//! client workflow of the TUF 1.0 specification. It does not know models, devices or fleets, reads no clock, and
//! keeps no private key but in the hands of its caller.
//!
//! ```text
//! device:  TrustStore ─► Client ── refresh(now) ─► Verified ── target(name) ─► TargetInfo ─► download
//! owner:   SigningKey ─► write::{Root, Targets}
//! server:  write::Repository   accepts what the owner signed, signs snapshot and timestamp
//! ```
//! Modules in reading order: `error`, `crypto` (ring for the verification core), `key`, `clock` (the time floor),
//! `disk` (durable files), `names`, `store` (what is believed, on disk), `fetch` and `transport` (bounded bytes),
//! `client`, [`write`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod client;
mod clock;
mod crypto;
mod disk;
mod error;
mod fetch;
mod key;
mod names;
pub mod pin;
mod store;
mod transport;
pub mod write;

pub use client::{Client, Config, Source, TargetInfo, Verified};
pub use clock::build_time;
pub use error::{Error, Result};
pub use key::{PublicKey, SigningKey};
pub use names::{quote, target_path};
pub use store::TrustStore;
pub use transport::{Patience, Transport};
