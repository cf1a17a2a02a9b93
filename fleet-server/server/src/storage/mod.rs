//! What the server remembers, in one SQLite file.
//!
//! One thread writes: jobs that wait together share a transaction and its one fsync ([`writer`]); a pool of
//! connections reads ([`reader`]). A write has happened, durably, when its future returns `Ok`. The room knows rows,
//! not what they mean: decisions live in the rooms that ask.
//!
//! Reading order: [`error`], [`store`], [`writer`], [`reader`], [`migrate`], then one file per table group.

pub mod devices;
pub mod error;
pub mod events;
pub mod migrate;
pub mod reader;
pub mod samples;
pub mod store;
pub mod tokens;
pub mod windows;
pub mod writer;

pub use error::StoreError;
pub use store::Store;

use serde::{Deserialize, Serialize};

/// How long records are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Days that windows are kept.
    pub window_days: u32,
    /// Days that events are kept.
    pub event_days: u32,
    /// Days that samples are kept.
    pub sample_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { window_days: 400, event_days: 400, sample_days: 90 }
    }
}
