//! The limits, with their defaults.

use serde::{Deserialize, Serialize};

/// When a difference counts. The defaults hold the false-alarm budget (measured in `tests/false_alarms.rs`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// PSI below which nothing is said, however certain it is.
    pub notice_psi: f64,
    /// PSI from which it is drift.
    pub drift_psi: f64,
    /// Chance that a feature of a window without drift exceeds its limit.
    pub false_alarm: f64,
    /// Share of false discoveries among the features of a window (Benjamini–Hochberg).
    pub false_discovery: f64,
    /// Effective values a window needs; windows are merged until it has them.
    pub min_effective: f64,
    /// Values a window needs where the reference says how its own blocks of rows differ.
    pub min_values: u64,
    /// Equal values in a row from which a sensor may be stuck.
    pub stuck_run: u64,
    /// Missing share above the reference's that is a fault.
    pub missing_jump: f64,
    /// Devices that must be seen before one alone is told from all.
    pub min_devices: usize,
    /// Time without a finding after which an alert closes, in milliseconds.
    pub close_after_ms: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            notice_psi: 0.1,
            drift_psi: 0.25,
            false_alarm: 0.001,
            false_discovery: 0.01,
            min_effective: 200.0,
            min_values: 200,
            stuck_run: 20,
            missing_jump: 0.2,
            min_devices: 3,
            close_after_ms: 10 * 60 * 1000,
        }
    }
}
