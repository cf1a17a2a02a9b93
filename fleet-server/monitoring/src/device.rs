//! What a device's windows say together: merged until there is enough, all features at once, two of three.

use dunlin_protocol::{
    message::Window,
    spec::FeatureSpec,
    statistics::{FeatureReference, FeatureStatistics, Reference},
};
use serde::{Deserialize, Serialize};

use crate::{
    assess::{Assessment, Verdict, distance, is_enough},
    chance::discoveries,
    fault::{ENOUGH_FOR_SHARES, fault, seen},
    policy::Policy,
};

/// Consecutive windows of one feature, merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Start, in milliseconds since 1970.
    pub start_ms: i64,
    /// End.
    pub end_ms: i64,
    /// What was counted in it.
    pub statistics: FeatureStatistics,
}

/// What is said of a span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Start, in milliseconds since 1970.
    pub start_ms: i64,
    /// End.
    pub end_ms: i64,
    /// The verdict and its figures.
    pub assessment: Assessment,
}

/// One feature of one device over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureTimeline {
    /// The feature's name.
    pub feature: String,
    /// Spans in the order of time.
    pub spans: Vec<Judged>,
    /// What holds now: the latest assessment, as drift only where two of the last three spans say so.
    pub now: Assessment,
    /// Since when that verdict holds without a break, in milliseconds since 1970; `None` without spans.
    pub since_ms: Option<i64>,
    /// Whether it held in all windows that were looked at, so that it may have begun before them.
    pub unbroken: bool,
}

impl FeatureTimeline {
    /// Remembers when the verdict began, of an `earlier` look at windows that are no longer there.
    pub fn continues(&mut self, earlier: &Self) {
        if self.unbroken && stance(&self.now.verdict) == stance(&earlier.now.verdict) {
            self.since_ms = [self.since_ms, earlier.since_ms].into_iter().flatten().min();
        }
    }
}

/// What a verdict comes down to: a little drift that becomes much began when it was little.
#[derive(PartialEq)]
enum Stance {
    Agrees,
    Differs,
    Broken,
    Unknown,
}

fn stance(verdict: &Verdict) -> Stance {
    match verdict {
        Verdict::Ok => Stance::Agrees,
        Verdict::Notice | Verdict::Drift => Stance::Differs,
        Verdict::SensorFault { .. } => Stance::Broken,
        Verdict::TooFew => Stance::Unknown,
    }
}

/// Merges a feature's windows from the latest backwards, each span until it has enough values; what is left at
/// the front is dropped, unless there is nothing else. `windows` are in the order of time.
pub fn merge_until_enough(
    reference: &FeatureReference,
    windows: &[(i64, i64, &FeatureStatistics)],
    policy: &Policy,
) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut open: Option<Span> = None;
    for (start_ms, end_ms, statistics) in windows.iter().rev() {
        let mut merged = Span { start_ms: *start_ms, end_ms: *end_ms, statistics: (*statistics).clone() };
        if let Some(later) = open.take() {
            merged.end_ms = later.end_ms.max(*end_ms);
            if merged.statistics.merge(&later.statistics).is_err() {
                // Counted against another reference: nothing before can be compared.
                spans.push(later);
                break;
            }
        }
        if is_enough(reference, &merged.statistics, policy) {
            spans.push(merged);
        } else {
            open = Some(merged);
        }
    }
    if spans.is_empty() {
        spans.extend(open);
    }
    spans.reverse();
    spans
}

/// Assesses every feature of a device. `windows` are one model's, in the order of time; `features` and
/// `reference` are that model's. Windows with another number of features are left out.
pub fn assess_device<'a>(
    features: impl IntoIterator<Item = &'a FeatureSpec>,
    reference: &Reference,
    windows: &[&Window],
    policy: &Policy,
) -> Vec<FeatureTimeline> {
    let usable: Vec<&&Window> =
        windows.iter().filter(|window| window.inputs.len() == reference.features.len()).collect();
    let mut timelines: Vec<FeatureTimeline> = Vec::new();
    for (index, (spec, reference)) in features.into_iter().zip(&reference.features).enumerate() {
        let parts: Vec<(i64, i64, &FeatureStatistics)> = usable
            .iter()
            .filter_map(|window| {
                let end = window.start_ms.saturating_add_unsigned(window.duration_ms);
                Some((window.start_ms, end, window.inputs.get(index)?))
            })
            .collect();
        timelines.push(timeline(spec, reference, &parts, policy));
    }
    only_discoveries(&mut timelines, policy);
    timelines.iter_mut().for_each(settle);
    timelines
}

fn timeline(
    spec: &FeatureSpec,
    reference: &FeatureReference,
    parts: &[(i64, i64, &FeatureStatistics)],
    policy: &Policy,
) -> FeatureTimeline {
    let judge = |span: Span| Judged {
        start_ms: span.start_ms,
        end_ms: span.end_ms,
        assessment: distance(spec, reference, &span.statistics, policy),
    };
    let spans: Vec<Judged> = merge_until_enough(reference, parts, policy).into_iter().map(judge).collect();
    let mut now = match spans.last() {
        Some(latest) => latest.assessment.clone(),
        None => Assessment {
            feature: spec.name.clone(),
            verdict: Verdict::TooFew,
            psi: None,
            limit: None,
            p_value: 1.0,
            n: 0,
            effective_n: 0.0,
            missing_share: 0.0,
            mean: None,
            reference_mean: None,
        },
    };
    // Faults are looked for in the latest windows only, so that a repaired sensor is seen to be repaired.
    let (mut since_ms, mut unbroken) = (None, true);
    for (start_ms, found) in faults_backwards(spec, reference, parts, policy) {
        let Some(fault) = found else {
            unbroken = false;
            break;
        };
        if since_ms.is_none() {
            now.verdict = Verdict::SensorFault { fault };
        }
        since_ms = Some(start_ms);
    }
    FeatureTimeline { feature: spec.name.clone(), spans, now, since_ms, unbroken }
}

/// The fault of each stretch of windows with enough rows, from the latest backwards.
fn faults_backwards<'a>(
    spec: &'a FeatureSpec,
    reference: &'a FeatureReference,
    parts: &'a [(i64, i64, &'a FeatureStatistics)],
    policy: &'a Policy,
) -> impl Iterator<Item = (i64, Option<crate::fault::Fault>)> + 'a {
    let mut rest = parts.iter().rev();
    std::iter::from_fn(move || {
        let &(mut start, _, latest) = rest.next()?;
        let mut merged = latest.clone();
        while seen(&merged) < ENOUGH_FOR_SHARES {
            let Some((earlier_start, _, earlier)) = rest.next() else { break };
            let mut both = (*earlier).clone();
            if both.merge(&merged).is_err() {
                break;
            }
            (start, merged) = (*earlier_start, both);
        }
        Some((start, fault(spec, reference, &merged, policy)))
    })
}

/// Benjamini–Hochberg over the features: over all latest spans, over all second latest, and so on.
fn only_discoveries(timelines: &mut [FeatureTimeline], policy: &Policy) {
    let longest = timelines.iter().map(|timeline| timeline.spans.len()).max().unwrap_or(0);
    for back in 1..=longest {
        let mut row: Vec<&mut Assessment> = timelines
            .iter_mut()
            .filter_map(|timeline| {
                let at = timeline.spans.len().checked_sub(back)?;
                timeline.spans.get_mut(at).map(|span| &mut span.assessment)
            })
            .filter(|assessment| assessment.verdict != Verdict::TooFew)
            .collect();
        let p_values: Vec<f64> = row.iter().map(|assessment| assessment.p_value).collect();
        for (assessment, kept) in row.iter_mut().zip(discoveries(&p_values, policy.false_discovery)) {
            if !kept && matches!(assessment.verdict, Verdict::Notice | Verdict::Drift) {
                assessment.verdict = Verdict::Ok;
            }
        }
    }
}

/// Two of the last three spans, and since when.
fn settle(timeline: &mut FeatureTimeline) {
    if matches!(timeline.now.verdict, Verdict::SensorFault { .. }) {
        return;
    }
    let last: Vec<&Verdict> =
        timeline.spans.iter().rev().take(3).map(|span| &span.assessment.verdict).collect();
    let drifts = last.iter().filter(|verdict| ***verdict == Verdict::Drift).count();
    let noticed = last.iter().filter(|verdict| stance(verdict) == Stance::Differs).count();
    timeline.now.verdict = match last.first() {
        Some(Verdict::TooFew) | None => Verdict::TooFew,
        _ if drifts >= 2 => Verdict::Drift,
        _ if noticed >= 2 => Verdict::Notice,
        _ => Verdict::Ok,
    };
    let differs = |verdict: &Verdict| stance(verdict) == Stance::Differs;
    let now_differs = differs(&timeline.now.verdict);
    (timeline.since_ms, timeline.unbroken) = (None, true);
    for span in timeline.spans.iter().rev() {
        if differs(&span.assessment.verdict) != now_differs && timeline.since_ms.is_some() {
            timeline.unbroken = false;
            break;
        }
        timeline.since_ms = Some(span.start_ms);
    }
}
