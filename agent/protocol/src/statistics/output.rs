//! Counting answers: classes and confidence, numbers, latency, and labels that came later.

use serde::{Deserialize, Serialize};

use super::{Bins, Counts, MergeError, NumericRecorder, NumericStatistics};

/// Equal bins of confidence over [0, 1].
pub const CONFIDENCE_BINS: usize = 20;

/// Buckets per doubling of latency.
const BUCKETS_PER_OCTAVE: f64 = 4.0;

/// Buckets of latency: from 1 µs to about a minute.
pub const LATENCY_BUCKETS: usize = 104;

/// What a model answered in one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStatistics {
    /// A classifier's answers.
    Classes {
        /// Answers per label, in the order of the model's labels.
        labels: Counts,
        /// Answers that are none of the model's labels.
        other: u64,
        /// Largest probability of each answer, in [`CONFIDENCE_BINS`] equal bins over [0, 1].
        confidence: Counts,
        /// Sum of the largest probabilities.
        #[serde(deserialize_with = "super::sum")]
        confidence_sum: f64,
        /// Sum of the entropies of the probabilities, in nats.
        #[serde(deserialize_with = "super::sum")]
        entropy_sum: f64,
    },
    /// A regression's answers.
    Numbers(NumericStatistics),
    /// Answers that are not interpreted.
    Uncounted,
}

impl OutputStatistics {
    /// Adds a later window's statistics of the same model.
    pub fn merge(&mut self, later: &Self) -> Result<(), MergeError> {
        use OutputStatistics::{Classes, Numbers, Uncounted};
        match (self, later) {
            (
                Classes { labels, other, confidence, confidence_sum, entropy_sum },
                Classes {
                    labels: later_labels,
                    other: later_other,
                    confidence: later_confidence,
                    confidence_sum: later_confidence_sum,
                    entropy_sum: later_entropy_sum,
                },
            ) => {
                labels.merge(later_labels)?;
                confidence.merge(later_confidence)?;
                *other = other.saturating_add(*later_other);
                *confidence_sum += later_confidence_sum;
                *entropy_sum += later_entropy_sum;
                Ok(())
            }
            (Numbers(mine), Numbers(theirs)) => mine.merge(theirs),
            (Uncounted, Uncounted) => Ok(()),
            _ => Err(MergeError("the outputs are of different kinds")),
        }
    }

    /// Mean of the largest probabilities; `None` for other tasks and without answers.
    pub fn mean_confidence(&self) -> Option<f64> {
        match self {
            OutputStatistics::Classes { confidence, confidence_sum, .. } => {
                let n = confidence.total();
                (n > 0).then(|| confidence_sum / n as f64)
            }
            _ => None,
        }
    }
}

/// Counts answers as they pass.
#[derive(Debug, Clone)]
pub enum OutputRecorder {
    /// For a classifier with this many labels.
    Classes {
        /// Number of labels.
        labels: usize,
        /// What was counted.
        statistics: OutputStatistics,
    },
    /// For a regression.
    Numbers(Box<NumericRecorder>),
    /// For outputs that are not interpreted.
    Uncounted,
}

impl OutputRecorder {
    /// For a classifier with this many labels.
    pub fn classes(labels: usize) -> Self {
        let labels = labels.min(super::counts::MAX_COUNTS);
        OutputRecorder::Classes { labels, statistics: Self::no_classes(labels) }
    }

    /// For a regression whose answers fall into these bins.
    pub fn numbers(bins: Bins) -> Self {
        OutputRecorder::Numbers(Box::new(NumericRecorder::new(bins)))
    }

    fn no_classes(labels: usize) -> OutputStatistics {
        OutputStatistics::Classes {
            labels: Counts::zeros(labels),
            other: 0,
            confidence: Counts::zeros(CONFIDENCE_BINS),
            confidence_sum: 0.0,
            entropy_sum: 0.0,
        }
    }

    /// Counts one class answer: the label's index, if it is a known one, and the probabilities, if there are any.
    pub fn observe_class(&mut self, label: Option<usize>, probabilities: &[f32]) {
        let OutputRecorder::Classes { statistics, .. } = self else { return };
        let OutputStatistics::Classes { labels, other, confidence, confidence_sum, entropy_sum } = statistics
        else {
            return;
        };
        match label {
            Some(index) if index < labels.0.len() => labels.increment(index),
            _ => *other += 1,
        }
        let top = probabilities.iter().copied().filter(|p| p.is_finite()).fold(f32::NEG_INFINITY, f32::max);
        if top.is_finite() {
            let top = top.clamp(0.0, 1.0);
            confidence.increment(((top * CONFIDENCE_BINS as f32) as usize).min(CONFIDENCE_BINS - 1));
            *confidence_sum += f64::from(top);
            *entropy_sum -=
                probabilities.iter().filter(|p| **p > 0.0).map(|p| f64::from(p * p.ln())).sum::<f64>();
        }
    }

    /// Counts one number.
    pub fn observe_number(&mut self, value: f32) {
        if let OutputRecorder::Numbers(recorder) = self {
            recorder.observe(value);
        }
    }

    /// Hands out what was counted and starts anew.
    pub fn take(&mut self) -> OutputStatistics {
        match self {
            OutputRecorder::Classes { labels, statistics } => {
                std::mem::replace(statistics, Self::no_classes(*labels))
            }
            OutputRecorder::Numbers(recorder) => OutputStatistics::Numbers(recorder.take()),
            OutputRecorder::Uncounted => OutputStatistics::Uncounted,
        }
    }
}

/// Time per inference in logarithmic buckets: bucket k holds 2^(k/4) to 2^((k+1)/4) microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyHistogram {
    /// Counts per bucket; empty buckets at the end are left out.
    pub buckets: Counts,
}

impl LatencyHistogram {
    /// Counts one duration in microseconds.
    pub fn observe(&mut self, microseconds: f64) {
        let bucket = if microseconds <= 1.0 {
            0
        } else {
            ((microseconds.log2() * BUCKETS_PER_OCTAVE) as usize).min(LATENCY_BUCKETS - 1)
        };
        if self.buckets.0.len() <= bucket {
            self.buckets.0.resize(bucket + 1, 0);
        }
        self.buckets.increment(bucket);
    }

    /// Upper edge, in microseconds, of the bucket that holds quantile `q` in [0, 1]; `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.buckets.total();
        if total == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
        let mut seen = 0_u64;
        let bucket = self.buckets.0.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= rank
        })?;
        Some(2_f64.powf((bucket + 1) as f64 / BUCKETS_PER_OCTAVE))
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Self) {
        if self.buckets.0.len() < other.buckets.0.len() {
            self.buckets.0.resize(other.buckets.0.len(), 0);
        }
        for (mine, theirs) in self.buckets.0.iter_mut().zip(&other.buckets.0) {
            *mine = mine.saturating_add(*theirs);
        }
    }
}

/// Answers whose truth became known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelStatistics {
    /// How many.
    pub count: u64,
    /// How many of them were wrong (classification).
    pub errors: u64,
    /// Sum of squared errors (regression).
    #[serde(deserialize_with = "super::sum")]
    pub squared_error: f64,
}

impl LabelStatistics {
    /// Adds another window's.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.errors = self.errors.saturating_add(other.errors);
        self.squared_error += other.squared_error;
    }
}
