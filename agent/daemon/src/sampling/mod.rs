//! Captured inputs: few, chosen, within a byte budget a day. Off unless a budget is given: raw data stays home.
//!
//! Does not decide what samples are used for.
//! Modules: [`decide`] chooses; [`sampler`] writes records.

pub mod decide;
pub mod sampler;

use serde::{Deserialize, Serialize};

pub use sampler::Sampler;

/// Configuration of sampling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most bytes of samples a day; 0 is off.
    pub budget_bytes_per_day: u64,
    /// Share of inferences that is kept at random, 0 to 1.
    pub random_share: f64,
    /// Answers below this confidence are kept, 0 to 1.
    pub below_confidence: f64,
    /// Inputs outside of the training range are kept.
    pub novel: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { budget_bytes_per_day: 0, random_share: 0.01, below_confidence: 0.6, novel: true }
    }
}
