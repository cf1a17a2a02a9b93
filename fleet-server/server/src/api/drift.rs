//! `/api/v1/drift`: the heat map of a model's inputs, and what is behind one cell.

use axum::{Json, extract::State};
use dunlin_monitoring::{DeviceVerdict, FleetFinding, Verdict, assess};
use dunlin_protocol::{
    DeviceId,
    statistics::{FeatureReference, FeatureStatistics},
};
use serde::{Deserialize, Serialize};

use super::{
    Api,
    extract::{Asked, At},
    routes::{Routes, Spec},
};
use crate::{
    access::Caller,
    clock::now_ms,
    error::ApiError,
    monitoring::{Drift, board::ModelBoard, cells},
};

/// Devices whose own distribution is given.
const PICTURED: usize = 200;
/// Hours the heat map covers where nothing else is asked for.
const HOURS: u32 = 24;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(
            Spec::get("/api/v1/drift", "The heat map of a model's inputs, and what there is to say")
                .query("model", "model name; without it, the first that sends windows")
                .count("hours", "how far back, 24 otherwise")
                .gives::<Drift>(),
            map,
        )
        .route(
            Spec::get("/api/v1/drift/{model}/{feature}", "A feature's distribution against its reference")
                .number("from", "begin, milliseconds since 1970")
                .number("to", "end, milliseconds since 1970")
                .gives::<Distribution>(),
            feature,
        )
}

#[derive(Deserialize)]
struct Which {
    model: Option<String>,
    hours: Option<u32>,
}

async fn map(_: Caller, State(api): State<Api>, Asked(which): Asked<Which>) -> Result<Json<Drift>, ApiError> {
    let name = match which.model {
        Some(name) => name,
        None => api.monitoring.names().await.into_iter().next().unwrap_or_default(),
    };
    let hours = which.hours.unwrap_or(HOURS).clamp(1, 24 * 7);
    Ok(Json(api.monitoring.drift(&name, hours, now_ms()).await))
}

/// Counts in the bins of the reference.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
pub struct Counted {
    /// Rising edges, one more than bins; empty for a text column.
    pub edges: Vec<f64>,
    /// Texts of the bins; empty for a number column.
    pub categories: Vec<String>,
    /// Counts per bin.
    pub counts: Vec<u64>,
    /// Values below the first edge.
    pub below: u64,
    /// Values above the last edge.
    pub above: u64,
    /// Texts that training did not have.
    pub other: u64,
    /// Missing values.
    pub missing: u64,
}

/// A device's part.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct DevicePart {
    /// Its name.
    pub device: String,
    /// What is said of it.
    pub verdict: String,
    /// Its population stability index.
    pub psi: Option<f64>,
    /// What it is held against.
    pub limit: Option<f64>,
    /// Values.
    pub n: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Share of missing values.
    pub missing: f64,
    /// Since when.
    pub since_ms: Option<i64>,
    /// Its values in the bins of the reference, over the same span; empty behind the 200 devices that differ most.
    pub window: Counted,
}

/// A feature in a span of time.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Distribution {
    /// The version whose windows these are.
    pub model: String,
    /// Feature name.
    pub feature: String,
    /// Physical unit.
    pub unit: Option<String>,
    /// Begin, milliseconds since 1970.
    pub from_ms: i64,
    /// End.
    pub to_ms: i64,
    /// What is said of all devices together.
    pub verdict: String,
    /// The same in one sentence; empty when there is nothing to say.
    pub sentence: String,
    /// Population stability index of all devices together.
    pub psi: Option<f64>,
    /// What it is held against.
    pub limit: Option<f64>,
    /// The training data.
    pub reference: Counted,
    /// The windows.
    pub window: Counted,
    /// The devices, those that differ most first.
    pub devices: Vec<DevicePart>,
}

#[derive(Deserialize)]
struct Span {
    from: Option<i64>,
    to: Option<i64>,
}

async fn feature(
    _: Caller,
    State(api): State<Api>,
    At((model, feature)): At<(String, String)>,
    Asked(span): Asked<Span>,
) -> Result<Json<Distribution>, ApiError> {
    distribution(&api, &model, &feature, (span.from, span.to)).await.map(Json)
}

/// A feature of a model name over a span of time.
pub(super) async fn distribution(
    api: &Api,
    name: &str,
    feature: &str,
    (from, to): (Option<i64>, Option<i64>),
) -> Result<Distribution, ApiError> {
    let unknown = || {
        let (name, feature): (String, String) =
            (name.chars().take(64).collect(), feature.chars().take(64).collect());
        let message = format!("no windows of model {name:?} hold a feature {feature:?} with a reference");
        ApiError::not_found("unknown-feature", message, "see `dunlin drift` for models and features")
    };
    let newest = api.monitoring.newest(name).await.ok_or_else(unknown)?;
    let board = api.monitoring.board.read().await;
    let model = board.models.get(&newest).ok_or_else(unknown)?;
    // Where nothing else is asked for, what drifts is shown since it drifts: values of before would water it down.
    let drifts = |found: &&FleetFinding| found.feature == feature && found.verdict == Verdict::Drift;
    let since = model.findings.iter().find(drifts).and_then(|found| found.since_ms);
    let from = from.or(since.filter(|_| to.is_none())).unwrap_or(0);
    let found = look(model, feature, (from, to.unwrap_or(i64::MAX / 4)), api).ok_or_else(unknown)?;
    Ok(Distribution { model: newest.to_string(), ..found })
}

fn look(model: &ModelBoard, feature: &str, (from, to): (i64, i64), api: &Api) -> Option<Distribution> {
    let policy = api.monitoring.policy();
    let (index, spec) = model.manifest.spec.features().enumerate().find(|(_, spec)| spec.name == feature)?;
    let reference = model.reference.as_ref()?.features.get(index)?;
    let columns = model.timeline.columns(from, to, 1);
    let statistics = columns.first().and_then(|(_, _, features)| features.get(index));
    let whole = statistics.map(|statistics| assess(spec, reference, statistics, policy));
    let (from_ms, to_ms) =
        columns.first().map_or((from, to), |(start, end, _)| (from.max(*start), to.min(*end)));
    let mut verdicts = cells::verdicts(model, index, from_ms, to_ms);
    let said = dunlin_monitoring::fleet(feature, &verdicts, policy, now_ms());
    verdicts.sort_by(|a, b| b.assessment.psi.unwrap_or(0.0).total_cmp(&a.assessment.psi.unwrap_or(0.0)));
    let part = |(place, verdict): (usize, DeviceVerdict)| DevicePart {
        device: verdict.device.to_string(),
        // One device that differs while all others agree is a fault of its sensor: only the fleet can tell.
        verdict: match said.faulty.iter().any(|(device, _)| *device == verdict.device) {
            true => said.verdict.word().into(),
            false => verdict.assessment.verdict.word().into(),
        },
        window: (place < PICTURED)
            .then(|| window(model, &verdict.device, index, (from_ms, to_ms)))
            .flatten()
            .map(|statistics| counted(reference, &statistics))
            .unwrap_or_default(),
        psi: verdict.assessment.psi,
        limit: verdict.assessment.limit,
        n: verdict.assessment.n,
        mean: verdict.assessment.mean,
        missing: verdict.assessment.missing_share,
        since_ms: verdict.since_ms,
    };
    let devices: Vec<DevicePart> = verdicts.into_iter().enumerate().map(part).collect();
    Some(Distribution {
        model: String::new(),
        feature: feature.to_owned(),
        unit: spec.unit.clone(),
        from_ms,
        to_ms,
        verdict: said.verdict.word().into(),
        sentence: said.sentence,
        psi: whole.as_ref().and_then(|whole| whole.psi),
        limit: whole.as_ref().and_then(|whole| whole.limit),
        reference: counted_reference(reference),
        window: statistics.map(|statistics| counted(reference, statistics)).unwrap_or_default(),
        devices,
    })
}

/// What one device's windows of a span hold of a feature.
fn window(
    model: &ModelBoard,
    device: &DeviceId,
    feature: usize,
    (from_ms, to_ms): (i64, i64),
) -> Option<FeatureStatistics> {
    let windows = model.devices.get(device)?.history.between(from_ms, to_ms);
    windows.filter_map(|window| window.inputs.get(feature).cloned()).reduce(|mut sum, next| {
        // Windows of one reference have the same bins; another shape has nothing to add to this picture.
        sum.merge(&next).ok();
        sum
    })
}

fn counted_reference(reference: &FeatureReference) -> Counted {
    match reference {
        FeatureReference::Numeric { statistics, .. } => {
            counted(reference, &FeatureStatistics::Numeric(statistics.clone()))
        }
        FeatureReference::Category { statistics, .. } => {
            counted(reference, &FeatureStatistics::Category(statistics.clone()))
        }
    }
}

fn counted(reference: &FeatureReference, statistics: &FeatureStatistics) -> Counted {
    match (reference, statistics) {
        (FeatureReference::Numeric { bins, .. }, FeatureStatistics::Numeric(numeric)) => Counted {
            edges: bins.edges().iter().map(|edge| f64::from(*edge)).collect(),
            counts: numeric.bins.0.clone(),
            below: numeric.below,
            above: numeric.above,
            missing: numeric.missing.saturating_add(numeric.non_finite),
            ..Counted::default()
        },
        (FeatureReference::Category { categories, .. }, FeatureStatistics::Category(category)) => Counted {
            categories: categories.clone(),
            counts: category.known.0.clone(),
            other: category.other,
            missing: category.missing,
            ..Counted::default()
        },
        _ => Counted::default(),
    }
}
