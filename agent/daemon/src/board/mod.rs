//! The board itself: processor, memory, disk, temperature, and the modes it runs in.
//!
//! Does not judge what it sees. Module: [`report`] reads; the one place that names the system library.

pub mod report;

use serde::{Deserialize, Serialize};

pub use report::{Board, host_name};

/// Configuration of the board's report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Further modes to report, for people: for example `bench` or `battery`.
    pub modes: Vec<String>,
}
