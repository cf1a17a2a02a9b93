//! Window statistics: what passed through a model, small and mergeable.
//!
//! A model's reference distribution fixes the bins ([`bins`]); devices count into them ([`numeric`],
//! [`category`], [`output`]); windows merge by adding. Counts travel as varints ([`counts`]).
//! [`mod@psi`] is the one distance that trainer and monitoring share.
//! What the numbers *mean* (drift, faults) is not decided here.

pub mod bins;
pub mod category;
pub mod counts;
pub mod numeric;
pub mod output;
pub mod psi;
pub mod reference;

use serde::{Deserialize, Serialize};

pub use bins::{Bins, Place};
pub use category::{CategoryRecorder, CategoryStatistics};
pub use counts::Counts;
pub use numeric::{NumericRecorder, NumericStatistics};
pub use output::{LabelStatistics, LatencyHistogram, OutputRecorder, OutputStatistics};
pub use reference::{FeatureReference, OutputReference, Reference, Spread};

/// Largest sum that is believed: a billion of them still add up to a number.
const MAX_SUM: f64 = 1e200;

/// Reads a sum that a stranger sends: never NaN or infinite, so that sums of sums stay numbers.
fn sum<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let read = f64::deserialize(deserializer)?;
    Ok(if read.is_nan() { 0.0 } else { read.clamp(-MAX_SUM, MAX_SUM) })
}

/// Statistics that cannot be combined: they were counted against different references.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("statistics of different shape cannot be merged: {0}")]
pub struct MergeError(pub &'static str);

/// Statistics of one feature in one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureStatistics {
    /// A number column.
    Numeric(NumericStatistics),
    /// A text column.
    Category(CategoryStatistics),
}

impl FeatureStatistics {
    /// Adds another window's statistics of the same feature, later in time.
    pub fn merge(&mut self, later: &Self) -> Result<(), MergeError> {
        match (self, later) {
            (FeatureStatistics::Numeric(a), FeatureStatistics::Numeric(b)) => a.merge(b),
            (FeatureStatistics::Category(a), FeatureStatistics::Category(b)) => a.merge(b),
            _ => Err(MergeError("one is of a number column, the other of a text column")),
        }
    }
}

impl crate::message::Window {
    /// Adds a later window of the same model; the record identity stays this one's.
    /// Merging is associative, so minutes become hours in any order of steps.
    pub fn merge(&mut self, later: &Self) -> Result<(), MergeError> {
        if self.model != later.model {
            return Err(MergeError("the windows are of different models"));
        }
        if self.inputs.len() != later.inputs.len() {
            return Err(MergeError("the windows have different numbers of features"));
        }
        let mut inputs = self.inputs.clone();
        for (mine, theirs) in inputs.iter_mut().zip(&later.inputs) {
            mine.merge(theirs)?;
        }
        let mut outputs = self.outputs.clone();
        outputs.merge(&later.outputs)?;
        let end = |w: &Self| w.start_ms.saturating_add_unsigned(w.duration_ms);
        let last = end(self).max(end(later));
        self.start_ms = self.start_ms.min(later.start_ms);
        self.duration_ms = u64::try_from(last.saturating_sub(self.start_ms)).unwrap_or(0);
        self.merged = self.merged.saturating_add(later.merged);
        self.inferences = self.inferences.saturating_add(later.inferences);
        self.failures = self.failures.saturating_add(later.failures);
        self.inputs = inputs;
        self.outputs = outputs;
        self.latency.merge(&later.latency);
        self.labels.merge(&later.labels);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_are_no_numbers_are_read_as_numbers() {
        for (sent, read) in [(f64::NAN, 0.0), (f64::INFINITY, MAX_SUM), (-1e308, -MAX_SUM), (2.5, 2.5)] {
            let labels = LabelStatistics { count: 1, errors: 0, squared_error: sent };
            let bytes = crate::cbor::to_vec(&labels).unwrap();
            let back: LabelStatistics = crate::cbor::from_slice(&bytes, 1000).unwrap();
            assert_eq!(back.squared_error, read);
        }
    }
}
