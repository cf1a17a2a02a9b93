//! Broken sensors: what is looked for before drift.

use dunlin_protocol::{
    spec::FeatureSpec,
    statistics::{FeatureReference, FeatureStatistics, NumericStatistics},
};
use serde::{Deserialize, Serialize};

use crate::policy::Policy;

/// Values needed before shares are judged.
pub(crate) const ENOUGH_FOR_SHARES: u64 = 30;

/// How many times the width of the middle 96 % of training a reading may lie beyond it.
const FAR: f64 = 3.0;

/// Bins that the middle of training must span before its width means something.
const FEWEST_BINS: usize = 4;

/// What is wrong with a sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fault {
    /// One value for longer than training ever had it.
    Stuck {
        /// Equal readings in a row.
        readings: u64,
    },
    /// A reading that is physically impossible by the model's specification.
    OutOfRange {
        /// The reading.
        value: f64,
        /// The possible ones.
        range: [f64; 2],
    },
    /// A reading far outside everything in training.
    FarOutside {
        /// The reading.
        value: f64,
        /// Smallest and largest in training.
        trained: [f64; 2],
    },
    /// Readings do not arrive.
    Missing {
        /// Share missing now.
        share: f64,
        /// Share missing in training.
        usual: f64,
    },
    /// The feature differs on this device and on no other.
    Alone,
}

impl Fault {
    /// For people: what the sensor does.
    pub fn sentence(&self) -> String {
        match self {
            Fault::Stuck { readings } => format!("is stuck: {readings} equal readings in a row"),
            Fault::OutOfRange { value, range: [low, high] } => {
                format!("reads {value}, which is outside {low} to {high}")
            }
            Fault::FarOutside { value, trained: [low, high] } => {
                format!("reads {value}, far outside the {low} to {high} of training")
            }
            Fault::Missing { share, usual } => {
                format!(
                    "is missing in {:.0} % of the rows, in training in {:.0} %",
                    share * 100.0,
                    usual * 100.0
                )
            }
            Fault::Alone => "differs from the reference here and on no other device".to_owned(),
        }
    }
}

/// Share of values that are missing or not finite.
pub(crate) fn missing_share(statistics: &FeatureStatistics) -> f64 {
    let (missing, seen) = match statistics {
        FeatureStatistics::Numeric(s) => (s.missing.saturating_add(s.non_finite), s.seen()),
        FeatureStatistics::Category(s) => (s.missing, s.seen()),
    };
    if seen == 0 { 0.0 } else { missing as f64 / seen as f64 }
}

/// Values seen, missing ones included.
pub(crate) fn seen(statistics: &FeatureStatistics) -> u64 {
    match statistics {
        FeatureStatistics::Numeric(s) => s.seen(),
        FeatureStatistics::Category(s) => s.seen(),
    }
}

/// Looks for a fault in recent statistics; `None` where the sensor works or too little was seen.
pub fn fault(
    spec: &FeatureSpec,
    reference: &FeatureReference,
    recent: &FeatureStatistics,
    policy: &Policy,
) -> Option<Fault> {
    let usual = match reference {
        FeatureReference::Numeric { statistics, .. } => {
            missing_share(&FeatureStatistics::Numeric(statistics.clone()))
        }
        FeatureReference::Category { statistics, .. } => {
            missing_share(&FeatureStatistics::Category(statistics.clone()))
        }
    };
    if let FeatureStatistics::Numeric(recent) = recent {
        let found = out_of_range(spec, recent)
            .or_else(|| far_outside(reference, recent))
            .or_else(|| stuck(reference, recent, policy));
        if found.is_some() {
            return found;
        }
    }
    let share = missing_share(recent);
    (seen(recent) >= ENOUGH_FOR_SHARES && share > usual + policy.missing_jump)
        .then_some(Fault::Missing { share, usual })
}

fn out_of_range(spec: &FeatureSpec, recent: &NumericStatistics) -> Option<Fault> {
    let range @ [low, high] = spec.range?;
    let outside = |value: &f64| *value < low || *value > high;
    let value = [recent.min, recent.max].into_iter().flatten().map(readable).find(outside)?;
    Some(Fault::OutOfRange { value, range })
}

/// Beyond training's extremes *and* far beyond its middle 96 %: a heavy tail alone is no fault.
fn far_outside(reference: &FeatureReference, recent: &NumericStatistics) -> Option<Fault> {
    let FeatureReference::Numeric { bins, statistics, .. } = reference else { return None };
    let (least, most) = (f64::from(statistics.min?), f64::from(statistics.max?));
    let edge_at = |q: f64, beyond: usize| {
        let rank = (q * statistics.bins.total() as f64) as u64;
        let mut passed = 0_u64;
        let bin = statistics.bins.0.iter().position(|count| {
            passed = passed.saturating_add(*count);
            passed > rank
        });
        bin.map_or(bins.len(), |bin| bin + beyond)
    };
    // Inside the last quantile bins the extremes themselves may be faults: they are left out of the width.
    let (first, last) = (edge_at(0.02, 0), edge_at(0.98, 1));
    // A column that was nearly constant in training has no width to measure by; drift will tell.
    if last < first + FEWEST_BINS {
        return None;
    }
    let (low, high) = (f64::from(*bins.edges().get(first)?), f64::from(*bins.edges().get(last)?));
    let width = high - low;
    let far = |value: &f64| {
        (*value < least && *value < low - FAR * width) || (*value > most && *value > high + FAR * width)
    };
    let value = [recent.min, recent.max].into_iter().flatten().map(readable).find(far)?;
    let trained = [statistics.min?, statistics.max?].map(readable);
    Some(Fault::FarOutside { value, trained })
}

fn stuck(reference: &FeatureReference, recent: &NumericStatistics, policy: &Policy) -> Option<Fault> {
    let FeatureReference::Numeric { statistics, .. } = reference else { return None };
    let moved = statistics.variance().is_some_and(|variance| variance > 0.0);
    let limit = policy.stuck_run.max(statistics.longest_run.saturating_mul(3));
    (moved && recent.longest_run >= limit).then_some(Fault::Stuck { readings: recent.longest_run })
}

/// The shortest decimal of a single-precision value, so that 5503.8 does not read 5503.7998046875.
fn readable(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}
