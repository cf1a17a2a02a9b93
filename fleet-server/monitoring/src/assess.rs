//! What one feature of one window says, compared with the model's training data.

use dunlin_protocol::{
    spec::FeatureSpec,
    statistics::{
        CategoryStatistics, FeatureReference, FeatureStatistics, NumericStatistics, Spread,
        psi::{PSI_GROUPS, merge_bins, psi},
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    chance::{chi_square_limit, chi_square_upper},
    fault::{Fault, fault, missing_share},
    policy::Policy,
};

/// What is to be said of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// As in training, as far as can be told.
    Ok,
    /// Different, a little.
    Notice,
    /// Different enough to matter.
    Drift,
    /// The sensor is broken.
    SensorFault {
        /// How.
        fault: Fault,
    },
    /// Not enough values to say anything.
    TooFew,
}

impl Verdict {
    /// The verdict as a stable word: `ok`, `notice`, `drift`, `sensor-fault`, `too-few`.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Notice => "notice",
            Verdict::Drift => "drift",
            Verdict::SensorFault { .. } => "sensor-fault",
            Verdict::TooFew => "too-few",
        }
    }
}

/// One feature of one window (or of several that were merged).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The feature's name.
    pub feature: String,
    /// What is to be said.
    pub verdict: Verdict,
    /// Distance from the reference; `None` without values.
    pub psi: Option<f64>,
    /// What PSI must exceed to be noticed: the larger of its sampling limit, the reference's own blocks and
    /// the smallest effect.
    pub limit: Option<f64>,
    /// Chance of such a PSI without drift.
    pub p_value: f64,
    /// Values that are there.
    pub n: u64,
    /// As many independent values would say as much.
    pub effective_n: f64,
    /// Share of values that are missing or not finite.
    pub missing_share: f64,
    /// Mean now, of a number column.
    pub mean: Option<f64>,
    /// Mean in training, of a number column.
    pub reference_mean: Option<f64>,
}

/// Compares one feature's statistics with its reference; faults are looked for first.
pub fn assess(
    spec: &FeatureSpec,
    reference: &FeatureReference,
    statistics: &FeatureStatistics,
    policy: &Policy,
) -> Assessment {
    let mut assessment = distance(spec, reference, statistics, policy);
    if let Some(fault) = fault(spec, reference, statistics, policy) {
        assessment.verdict = Verdict::SensorFault { fault };
    }
    assessment
}

/// The same without looking for faults.
pub(crate) fn distance(
    spec: &FeatureSpec,
    reference: &FeatureReference,
    statistics: &FeatureStatistics,
    policy: &Policy,
) -> Assessment {
    let size = Size::of(reference, statistics);
    let mut assessment = Assessment {
        feature: spec.name.clone(),
        verdict: Verdict::TooFew,
        psi: None,
        limit: None,
        p_value: 1.0,
        n: size.n,
        effective_n: size.effective,
        missing_share: missing_share(statistics),
        mean: None,
        reference_mean: None,
    };
    let spread = reference.spread();
    let (then, now) = match (reference, statistics) {
        (FeatureReference::Numeric { bins, statistics: then, .. }, FeatureStatistics::Numeric(now)) => {
            assessment.mean = now.mean(bins);
            assessment.reference_mean = then.mean(bins);
            (then.row(), now.row())
        }
        (FeatureReference::Category { statistics: then, .. }, FeatureStatistics::Category(now)) => {
            let row = |known: &[u64], other: u64| [known, &[other]].concat();
            (row(&then.known.0, then.other), row(&now.known.0, now.other))
        }
        _ => return assessment,
    };
    let Some(psi) = psi(&then, &now, PSI_GROUPS) else { return assessment };
    let freedom = merge_bins(&then, PSI_GROUPS).len().saturating_sub(1).max(1) as f64;
    let sampling = size.variance(spread, freedom, policy);
    let limit = (chi_square_limit(freedom, policy.false_alarm) * sampling)
        .max(block_limit(spread, size.n).map_or(0.0, |(_, largest)| largest + freedom * size.own_error()))
        .max(policy.notice_psi);
    assessment.psi = Some(psi);
    assessment.limit = Some(limit);
    assessment.p_value = chi_square_upper(freedom, psi / sampling);
    if enough(&size, spread, policy) {
        assessment.verdict = match psi {
            _ if psi <= limit => Verdict::Ok,
            _ if psi < policy.drift_psi => Verdict::Notice,
            _ => Verdict::Drift,
        };
    }
    assessment
}

/// Whether these statistics say anything about the feature's distribution.
pub(crate) fn is_enough(
    reference: &FeatureReference,
    statistics: &FeatureStatistics,
    policy: &Policy,
) -> bool {
    enough(&Size::of(reference, statistics), reference.spread(), policy)
}

fn enough(size: &Size, spread: &[Spread], policy: &Policy) -> bool {
    size.effective >= policy.min_effective || (covered(spread, size.n) && size.n >= policy.min_values)
}

/// How much was seen.
struct Size {
    n: u64,
    effective: f64,
    reference_n: f64,
    reference_effective: f64,
}

impl Size {
    fn of(reference: &FeatureReference, statistics: &FeatureStatistics) -> Self {
        let (n, effective) = match statistics {
            FeatureStatistics::Numeric(now) => numbers(now),
            FeatureStatistics::Category(now) => categories(now),
        };
        let (reference_n, reference_effective) = match reference {
            FeatureReference::Numeric { statistics: then, .. } => numbers(then),
            FeatureReference::Category { statistics: then, .. } => categories(then),
        };
        let reference_n = reference_n as f64;
        // A stuck or slow window looks independent of itself when its variance is gone: the reference knows.
        let effective = match reference_n > 0.0 {
            true => effective.min(n as f64 * (reference_effective / reference_n).max(1e-6)),
            false => effective,
        };
        Self { n, effective, reference_n, reference_effective }
    }

    /// What a chi-square variable is multiplied with to be distributed as PSI is without drift.
    ///
    /// PSI is about χ²(groups − 1) · (1/n + 1/m) for n and m independent values (Yurdakul, 2018). For values
    /// that depend on each other n is the effective size n (1 − r₁) / (1 + r₁). Where the reference tells how
    /// its own blocks of this length differ, that measured spread takes the place of the effective size.
    fn variance(&self, spread: &[Spread], freedom: f64, policy: &Policy) -> f64 {
        let inverse = |n: f64| 1.0 / n.max(1.0);
        match block_limit(spread, self.n).filter(|_| covered(spread, self.n)) {
            Some((psi_95, _)) if self.n >= policy.min_values => {
                let independent = inverse(self.n as f64) + inverse(self.reference_n);
                independent.max(psi_95 / chi_square_limit(freedom, 0.05) + self.own_error())
            }
            _ => inverse(self.effective) + inverse(self.reference_effective),
        }
    }

    /// What the reference's own blocks do not show: they are parts of it, so that their distance from it has the
    /// variance 1/n − 1/m where a later window's has 1/n + 1/m.
    fn own_error(&self) -> f64 {
        2.0 / self.reference_effective.max(1.0)
    }
}

/// Values of a number column, and as many independent ones as tell as much.
fn numbers(statistics: &NumericStatistics) -> (u64, f64) {
    (statistics.count, effective_count(statistics.count, statistics.lag1()))
}

/// Values of a text column, and as many independent ones as tell as much.
fn categories(statistics: &CategoryStatistics) -> (u64, f64) {
    let n = statistics.known.total().saturating_add(statistics.other);
    (n, effective_count(n, statistics.lag1()))
}

/// n (1 − r₁) / (1 + r₁): as many independent values tell as much of the mean (Bayley and Hammersley, 1946).
fn effective_count(n: u64, lag1: Option<f64>) -> f64 {
    let r = lag1.unwrap_or(0.0).clamp(0.0, 0.999);
    n as f64 * (1.0 - r) / (1.0 + r)
}

/// True where the window is at least as long as the reference's shortest blocks.
fn covered(spread: &[Spread], n: u64) -> bool {
    spread.iter().map(|block| u64::from(block.rows)).min().is_some_and(|rows| n >= rows)
}

/// The 95th percentile and the maximum of the reference's own blocks, interpolated over the logarithm of the
/// length; held beyond the longest block, scaled by 1/length below the shortest.
fn block_limit(spread: &[Spread], n: u64) -> Option<(f64, f64)> {
    let rows = |block: &Spread| f64::from(block.rows.max(1));
    let n = n.max(1) as f64;
    let after = spread.iter().filter(|block| rows(block) >= n).min_by(|a, b| rows(a).total_cmp(&rows(b)));
    let before = spread.iter().filter(|block| rows(block) <= n).max_by(|a, b| rows(a).total_cmp(&rows(b)));
    match (before, after) {
        (Some(low), Some(high)) if rows(high) > rows(low) => {
            let part = (n / rows(low)).ln() / (rows(high) / rows(low)).ln();
            let between = |low: f64, high: f64| low + (high - low) * part;
            Some((between(low.psi_95, high.psi_95), between(low.psi_max, high.psi_max)))
        }
        (Some(block), _) => Some((block.psi_95, block.psi_max)),
        (None, Some(block)) => {
            let scale = rows(block) / n;
            Some((block.psi_95 * scale, block.psi_max * scale))
        }
        (None, None) => None,
    }
}
