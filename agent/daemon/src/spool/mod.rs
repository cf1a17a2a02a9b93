//! Records that were accepted and not yet acknowledged, on disk and bounded by bytes.
//!
//! ```text
//! append ─► frame, flushed ─► pending ─► (link sends, broker answers) ─► acknowledge ─► whole segments removed
//!                               └─ over the limit: oldest windows merge into coarser ones, then oldest records go
//! ```
//! A record leaves only by its own acknowledgement, or counted as merged or dropped. What may have been sent is
//! never merged: the server could have it already, and would count it twice.
//! Does not know MQTT, and does not decide what a record says.
//! Modules: [`frame`] is the format; [`segment`] reads and writes files of frames; [`compact`] decides what to merge
//! and drop; [`queue`] joins them.

pub mod compact;
pub mod frame;
pub mod queue;
pub mod segment;

use serde::{Deserialize, Serialize};

pub use queue::{Entry, Spool, SpoolError};

/// Smallest limit that is accepted, in bytes.
pub const MIN_LIMIT: u64 = 64 * 1024;

/// Configuration of the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most bytes on disk.
    pub limit_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { limit_bytes: 16 << 20 }
    }
}
