//! Records that were accepted and not yet acknowledged, on disk and bounded by bytes.
//!
//! ```text
//! append ─► frame, flushed ─► pending ─► (link sends, broker answers) ─► acknowledge ─► whole segments removed
//!                               └─ over the limit: oldest windows merge into coarser ones, then oldest records go
//! ```
//! A record leaves only by its own acknowledgement, or counted as merged or dropped. What may have been sent is
//! never merged: the server could have it already, and would count it twice. A disk that refuses ends nothing: what
//! can be freed is freed, and what waits is written later.
//! Does not know MQTT, and does not decide what a record says.
//! Modules: [`frame`] is the format; [`segment`] reads and writes files of frames; [`log`] is all of them with an
//! index, [`recover`] reads it back; [`compact`] decides what to merge and drop; [`queue`] joins them.

pub mod compact;
pub mod frame;
pub mod log;
pub mod queue;
pub mod recover;
pub mod segment;

use serde::{Deserialize, Serialize};

pub use queue::{Drops, Entry, REFUSED, Spool, SpoolError, TOO_LARGE};

/// Smallest limit that is accepted, in bytes: a few records of the largest size fit.
pub const MIN_LIMIT: u64 = 1 << 20;

/// Configuration of the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most bytes on disk; for a moment up to twice as many, while older windows are merged.
    pub limit_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { limit_bytes: 16 << 20 }
    }
}
