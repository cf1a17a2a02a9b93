//! Counting a number column.

use serde::{Deserialize, Serialize};

use super::{Bins, Counts, MergeError, Place};

/// Statistics of a number column. Sums are about [`Bins::center`]; all fields merge by adding (or by the
/// larger and smaller), so hours are exactly the sum of their minutes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumericStatistics {
    /// Finite values.
    pub count: u64,
    /// NaN, which means missing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u64,
    /// Infinite values.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub non_finite: u64,
    /// Σ (x − c).
    #[serde(deserialize_with = "super::sum")]
    pub sum: f64,
    /// Σ (x − c)².
    #[serde(deserialize_with = "super::sum")]
    pub sum_squares: f64,
    /// Σ (x_i − c)(x_{i+1} − c) over neighbours in time.
    #[serde(deserialize_with = "super::sum")]
    pub sum_lagged: f64,
    /// Number of neighbours in `sum_lagged`.
    pub pairs: u64,
    /// Smallest finite value; `None` without any.
    pub min: Option<f32>,
    /// Largest finite value; `None` without any.
    pub max: Option<f32>,
    /// Longest run of one and the same value.
    pub longest_run: u64,
    /// Finite values smaller than any in training.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub below: u64,
    /// Σ (x − c) of those.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "super::sum")]
    pub below_sum: f64,
    /// Finite values larger than any in training.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub above: u64,
    /// Σ (x − c) of those.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "super::sum")]
    pub above_sum: f64,
    /// Values per bin.
    pub bins: Counts,
}

impl NumericStatistics {
    /// Nothing counted yet, for a feature with these bins.
    pub fn empty(bins: &Bins) -> Self {
        Self {
            count: 0,
            missing: 0,
            non_finite: 0,
            sum: 0.0,
            sum_squares: 0.0,
            sum_lagged: 0.0,
            pairs: 0,
            min: None,
            max: None,
            longest_run: 0,
            below: 0,
            below_sum: 0.0,
            above: 0,
            above_sum: 0.0,
            bins: Counts::zeros(bins.len()),
        }
    }

    /// Values seen, finite or not.
    pub fn seen(&self) -> u64 {
        self.count.saturating_add(self.missing).saturating_add(self.non_finite)
    }

    /// Arithmetic mean of the finite values.
    pub fn mean(&self, bins: &Bins) -> Option<f64> {
        (self.count > 0).then(|| bins.center() + self.sum / self.count as f64)
    }

    /// Population variance of the finite values.
    pub fn variance(&self) -> Option<f64> {
        let n = self.count as f64;
        (self.count > 0).then(|| (self.sum_squares / n - (self.sum / n).powi(2)).max(0.0))
    }

    /// Lag-1 autocorrelation in [-1, 1]; `None` without spread or neighbours.
    pub fn lag1(&self) -> Option<f64> {
        let variance = self.variance().filter(|v| *v > 0.0)?;
        if self.pairs == 0 {
            return None;
        }
        let shift = self.sum / self.count as f64;
        Some(((self.sum_lagged / self.pairs as f64 - shift * shift) / variance).clamp(-1.0, 1.0))
    }

    /// Counts below, in each bin, and above, as one row.
    pub fn row(&self) -> Vec<u64> {
        let mut row = Vec::with_capacity(self.bins.0.len() + 2);
        row.push(self.below);
        row.extend(&self.bins.0);
        row.push(self.above);
        row
    }

    /// Adds a later window's statistics of the same feature. Neighbours across the border are not counted.
    pub fn merge(&mut self, later: &Self) -> Result<(), MergeError> {
        self.bins.merge(&later.bins)?;
        self.count = self.count.saturating_add(later.count);
        self.missing = self.missing.saturating_add(later.missing);
        self.non_finite = self.non_finite.saturating_add(later.non_finite);
        self.sum += later.sum;
        self.sum_squares += later.sum_squares;
        self.sum_lagged += later.sum_lagged;
        self.pairs = self.pairs.saturating_add(later.pairs);
        self.min = least(self.min, later.min, f32::min);
        self.max = least(self.max, later.max, f32::max);
        self.longest_run = self.longest_run.max(later.longest_run);
        self.below = self.below.saturating_add(later.below);
        self.below_sum += later.below_sum;
        self.above = self.above.saturating_add(later.above);
        self.above_sum += later.above_sum;
        Ok(())
    }
}

/// What is zero in an ordinary window does not travel: 60 bytes a feature.
fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn least(a: Option<f32>, b: Option<f32>, pick: fn(f32, f32) -> f32) -> Option<f32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(pick(a, b)),
        (a, b) => a.or(b),
    }
}

/// Counts values of one feature as they pass. No allocation per value.
#[derive(Debug, Clone)]
pub struct NumericRecorder {
    bins: Bins,
    statistics: NumericStatistics,
    last: Option<f32>,
    run: u64,
}

impl NumericRecorder {
    /// A recorder for a feature with these bins.
    pub fn new(bins: Bins) -> Self {
        let statistics = NumericStatistics::empty(&bins);
        Self { bins, statistics, last: None, run: 0 }
    }

    /// The bins it counts into.
    pub fn bins(&self) -> &Bins {
        &self.bins
    }

    /// Counts one value; NaN is missing.
    pub fn observe(&mut self, value: f32) {
        let s = &mut self.statistics;
        if !value.is_finite() {
            if value.is_nan() {
                s.missing += 1;
            } else {
                s.non_finite += 1;
            }
            (self.last, self.run) = (None, 0);
            return;
        }
        let shifted = f64::from(value) - self.bins.center();
        s.count += 1;
        s.sum += shifted;
        s.sum_squares += shifted * shifted;
        s.min = Some(s.min.map_or(value, |m| m.min(value)));
        s.max = Some(s.max.map_or(value, |m| m.max(value)));
        if let Some(last) = self.last {
            s.sum_lagged += shifted * (f64::from(last) - self.bins.center());
            s.pairs += 1;
            self.run = if last == value { self.run + 1 } else { 1 };
        } else {
            self.run = 1;
        }
        s.longest_run = s.longest_run.max(self.run);
        self.last = Some(value);
        match self.bins.place(value) {
            Place::Below => {
                s.below += 1;
                s.below_sum += shifted;
            }
            Place::Above => {
                s.above += 1;
                s.above_sum += shifted;
            }
            Place::Bin(index) => s.bins.increment(index),
        }
    }

    /// Hands out what was counted and starts anew. A run that goes on is continued.
    pub fn take(&mut self) -> NumericStatistics {
        std::mem::replace(&mut self.statistics, NumericStatistics::empty(&self.bins))
    }
}
