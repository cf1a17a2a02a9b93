//! The gate: whether the new model behaves worse than the control group.

use serde::{Deserialize, Serialize};

use crate::{
    health::{Group, Health},
    noise::{Difference, Kind, difference},
    waves::Wave,
};

/// Standard errors that a difference must exceed. One-sided, 3 is exceeded by chance once in 740 looks.
pub const NOISE_Z: f64 = 3.0;

/// Known labels in each group from which they outweigh the hints (confidence, predicted classes).
pub const ENOUGH_LABELS: u64 = 100;

/// The predicted classes may shift by this many times the margin: a better model answers differently too.
const CLASS_SHIFT_FACTOR: f64 = 3.0;

/// A model may be this many times slower than the control group at the 99th percentile.
const LATENCY_RATIO: f64 = 2.0;

/// Below this 99th percentile, in microseconds, nobody waits: slower is not harm.
const LATENCY_FLOOR_US: f64 = 10_000.0;

/// A way in which the model is worse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Harm {
    /// A stable word: `failures`, `wrong-answers`, `regression-error`, `latency`, `confidence`, `classes`.
    pub code: String,
    /// For people, for example `wrong answers 69 % against 18 % in the control group`.
    pub sentence: String,
}

/// What the gate says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "judgement", rename_all = "kebab-case")]
pub enum Judgement {
    /// Not enough answers by the new model.
    TooFew {
        /// Inferences so far.
        seen: u64,
        /// Inferences needed.
        needed: u64,
    },
    /// Worse by more than the margin and more than chance.
    Harmful(Harm),
    /// Not worse, or nothing to compare with.
    Healthy {
        /// False where neither a control group nor a baseline had answers.
        compared: bool,
    },
}

/// Judges the devices with the new model against the control group; against `baseline` (the control group's
/// health of before the last wave) when the control group has too few answers left.
pub fn judge(wave: &Wave, health: &Health, baseline: &Group) -> Judgement {
    let seen = health.treated.inferences().saturating_add(health.treated.failures());
    let needed = wave.min_inferences.max(1);
    if seen < needed {
        return Judgement::TooFew { seen, needed };
    }
    let control = &health.control;
    let (against, words) = if control.inferences() >= needed.min(baseline.inferences().max(1)) {
        (control, "in the control group")
    } else {
        (baseline, "before")
    };
    if against.inferences() == 0 {
        return Judgement::Healthy { compared: false };
    }
    match harm(wave.max_health_drop, &health.treated, against, words) {
        Some(harm) => Judgement::Harmful(harm),
        None => Judgement::Healthy { compared: true },
    }
}

fn harm(margin: f64, treated: &Group, control: &Group, against: &str) -> Option<Harm> {
    failures(margin, treated, control, against)
        .or_else(|| wrong_answers(margin, treated, control, against))
        .or_else(|| regression_error(margin, treated, control, against))
        .or_else(|| latency(treated, control, against))
        .or_else(|| {
            let labelled = treated.labels().count.min(control.labels().count) >= ENOUGH_LABELS;
            if labelled {
                return None;
            }
            confidence(margin, treated, control, against)
                .or_else(|| classes(margin, treated, control, against))
        })
}

fn found(code: &str, sentence: String) -> Option<Harm> {
    Some(Harm { code: code.to_owned(), sentence })
}

/// Per cent, with one decimal where whole numbers would hide the difference.
fn percent(d: &Difference) -> (String, String) {
    let digits = usize::from((d.treated - d.control).abs() < 0.02);
    let show = |share: f64| format!("{:.digits$} %", share * 100.0);
    (show(d.treated), show(d.control))
}

fn worse_share(d: &Difference, margin: f64) -> bool {
    d.treated - d.control > margin && d.z >= NOISE_Z
}

fn failures(margin: f64, treated: &Group, control: &Group, against: &str) -> Option<Harm> {
    let read =
        |group: &Group| group.tallies(|d| (d.inferences.saturating_add(d.failures), d.failures as f64));
    let d = difference(&read(treated), &read(control), Kind::Share)?;
    let (mine, theirs) = percent(&d);
    worse_share(&d, margin)
        .then(|| found("failures", format!("failed inferences {mine} against {theirs} {against}")))?
}

fn wrong_answers(margin: f64, treated: &Group, control: &Group, against: &str) -> Option<Harm> {
    let read = |group: &Group| group.tallies(|d| (d.labels.count, d.labels.errors as f64));
    let d = difference(&read(treated), &read(control), Kind::Share)?;
    let (mine, theirs) = percent(&d);
    worse_share(&d, margin)
        .then(|| found("wrong-answers", format!("wrong answers {mine} against {theirs} {against}")))?
}

fn regression_error(margin: f64, treated: &Group, control: &Group, against: &str) -> Option<Harm> {
    let read = |group: &Group| group.tallies(|d| (d.labels.count, d.labels.squared_error));
    let d = difference(&read(treated), &read(control), Kind::Unbounded)?;
    let (mine, theirs) = (d.treated.max(0.0).sqrt(), d.control.max(0.0).sqrt());
    (mine > theirs * (1.0 + margin) && d.z >= NOISE_Z).then(|| {
        found("regression-error", format!("root mean squared error {mine:.3} against {theirs:.3} {against}"))
    })?
}

fn latency(treated: &Group, control: &Group, against: &str) -> Option<Harm> {
    let (mine, theirs) = (treated.latency(), control.latency());
    let (slow, usual) = (mine.quantile(0.99)?, theirs.quantile(0.99)?);
    let limit = (usual * LATENCY_RATIO).max(LATENCY_FLOOR_US);
    if slow <= limit {
        return None;
    }
    let beyond = |histogram: &dunlin_protocol::statistics::LatencyHistogram| {
        let total = histogram.buckets.total();
        // Bucket k ends at 2^((k+1)/4) microseconds.
        let beyond = histogram.buckets.0.iter().enumerate();
        let beyond =
            beyond.filter(|(k, _)| 2_f64.powf((*k + 1) as f64 / 4.0) > limit).map(|(_, n)| *n).sum::<u64>();
        (total, beyond as f64)
    };
    let read = |group: &Group| group.tallies(|d| beyond(&d.latency));
    let d = difference(&read(treated), &read(control), Kind::Share)?;
    (d.z >= NOISE_Z).then(|| {
        let (slow, usual) = (slow / 1000.0, usual / 1000.0);
        found("latency", format!("slowest 1 % of answers take {slow:.1} ms against {usual:.1} ms {against}"))
    })?
}

fn confidence(margin: f64, treated: &Group, control: &Group, against: &str) -> Option<Harm> {
    let read = |group: &Group| group.tallies(|d| d.confidence);
    let d = difference(&read(treated), &read(control), Kind::Share)?;
    let (mine, theirs) = percent(&d);
    (d.control - d.treated > margin && d.z <= -NOISE_Z)
        .then(|| found("confidence", format!("mean confidence {mine} against {theirs} {against}")))?
}

/// Total variation distance between the predicted classes, carried by the class that shifts most.
fn classes(margin: f64, treated: &Group, control: &Group, against: &str) -> Option<Harm> {
    let count = treated.classes();
    if count != control.classes() {
        return None;
    }
    let mut distance = 0.0;
    let mut most: Option<(usize, Difference)> = None;
    for class in 0..count {
        let read = |group: &Group| {
            group.tallies(|d| (d.classes.iter().sum(), d.classes.get(class).copied().unwrap_or(0) as f64))
        };
        let d = difference(&read(treated), &read(control), Kind::Share)?;
        distance += (d.treated - d.control).abs() / 2.0;
        if most.as_ref().is_none_or(|(_, m)| d.z.abs() > m.z.abs()) {
            most = Some((class, d));
        }
    }
    let (class, d) = most?;
    let (mine, theirs) = percent(&d);
    // The last place holds answers outside the model's labels.
    let what =
        if class + 1 == count { "outside its labels".to_owned() } else { format!("class {}", class + 1) };
    (distance > margin * CLASS_SHIFT_FACTOR && d.z.abs() >= NOISE_Z)
        .then(|| found("classes", format!("answers {what} {mine} against {theirs} {against}")))?
}
