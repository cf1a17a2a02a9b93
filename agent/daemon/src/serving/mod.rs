//! Models that answer: kept on disk in slots, loaded and shared in memory, asked over the local API.
//!
//! A swap replaces one shared pointer: every request runs on exactly one version and none is lost. A bundle is
//! loaded only if its bytes are those whose hash was recorded when its signature was verified.
//! Does not verify signatures and does not decide which version is right: `update` does.
//! Modules: [`slot`] is the disk; [`shelf`] what counts of it; [`loaded`] one model in memory; [`models`] those that
//! answer; [`wire`] the shapes of the Open Inference Protocol, [`binary`] its binary tensors; [`http`] the local API;
//! [`metrics`] its numbers; [`listen`] the socket.

pub mod binary;
pub mod http;
pub mod listen;
pub mod loaded;
pub mod metrics;
pub mod models;
pub mod shelf;
pub mod slot;
pub mod wire;

use serde::{Deserialize, Serialize};

pub use loaded::LoadedModel;
pub use models::Models;
pub use shelf::Shelf;

/// Configuration of the local API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `ADDRESS:PORT`, `unix:PATH`, or `off`.
    pub listen: String,
    /// Largest request, in bytes.
    pub body_limit_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8520".into(), body_limit_bytes: 8 << 20 }
    }
}
