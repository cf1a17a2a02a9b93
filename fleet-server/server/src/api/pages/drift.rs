//! `/drift` and `/drift/{model}/{feature}`.

use axum::{extract::State, response::Html};
use dunlin_dashboard::{
    pages,
    views::{Bars, DriftCell, DriftCellPage, DriftDevice, DriftPage, Statistic},
};
use serde::Deserialize;

use super::common::{self, frame, verdict};
use crate::{
    access::Caller,
    api::{
        Api,
        drift::{Counted, distribution},
        extract::{Asked, At},
    },
    error::ApiError,
    monitoring::Drift,
};

#[derive(Deserialize)]
pub(super) struct Query {
    model: Option<String>,
    hours: Option<u32>,
}

pub(super) async fn map(
    caller: Caller,
    State(api): State<Api>,
    Asked(query): Asked<Query>,
) -> Result<Html<String>, ApiError> {
    let frame = frame(&api, &caller).await?;
    let models = api.monitoring.names().await;
    let model = query.model.filter(|model| models.contains(model)).or_else(|| models.first().cloned());
    let hours = query.hours.unwrap_or(24).clamp(1, 24 * 7);
    let drift = match &model {
        Some(model) => api.monitoring.drift(model, hours, frame.now_ms).await,
        None => Drift::default(),
    };
    let rollouts = common::rollouts(&api).await?;
    let cells = drift.cells.into_iter().map(|cell| DriftCell {
        start_ms: cell.start_ms,
        end_ms: cell.end_ms,
        feature: cell.feature,
        psi: cell.psi,
        limit: cell.limit,
        verdict: verdict(&cell.verdict),
        devices_drifting: cell.devices_drifting,
        devices_seen: cell.devices_seen,
        n: cell.n,
    });
    let cells: Vec<DriftCell> = cells.collect();
    let first = cells.iter().map(|cell| cell.start_ms).min().unwrap_or(i64::MAX);
    let mut markers = common::markers(&rollouts);
    markers.retain(|marker| marker.at_ms >= first);
    let (sentences, features) = (drift.sentences, drift.features);
    let page = DriftPage { frame, models, model, hours, sentences, features, cells, markers };
    Ok(Html(pages::drift(&page)))
}

#[derive(Deserialize)]
pub(super) struct Span {
    from: Option<i64>,
    to: Option<i64>,
}

pub(super) async fn cell(
    caller: Caller,
    State(api): State<Api>,
    At((model, feature)): At<(String, String)>,
    Asked(span): Asked<Span>,
) -> Result<Html<String>, ApiError> {
    let found = distribution(&api, &model, &feature, (span.from, span.to)).await?;
    let share = |counted: &Counted| {
        let all = total(counted) + counted.missing;
        if all == 0 { 0.0 } else { counted.missing as f64 / all as f64 }
    };
    let devices = found.devices.into_iter().map(|part| DriftDevice {
        id: part.device,
        verdict: verdict(&part.verdict),
        psi: part.psi,
        limit: part.limit,
        n: part.n,
        mean: part.mean,
        missing: part.missing,
        since_ms: part.since_ms,
        shares: shares(&part.window),
    });
    let psi = found.psi.map(|value| Statistic { name: "PSI".into(), value, limit: found.limit });
    let ks = kolmogorov(&found.reference, &found.window);
    let page = DriftCellPage {
        frame: frame(&api, &caller).await?,
        model,
        feature: found.feature,
        unit: found.unit,
        from_ms: found.from_ms,
        to_ms: found.to_ms,
        verdict: verdict(&found.verdict),
        sentence: found.sentence,
        n: total(&found.window),
        missing: (share(&found.reference), share(&found.window)),
        statistics: psi.into_iter().chain(ks).collect(),
        devices: devices.collect(),
        bars: bars(found.reference, found.window),
    };
    Ok(Html(pages::drift_cell(&page)))
}

/// Share of each bin.
fn shares(counted: &Counted) -> Vec<f64> {
    let all = total(counted) as f64;
    if all == 0.0 {
        return Vec::new();
    }
    counted.counts.iter().map(|count| *count as f64 / all).collect()
}

fn total(counted: &Counted) -> u64 {
    counted.counts.iter().sum::<u64>() + counted.below + counted.above + counted.other
}

/// Largest distance of the two distribution functions at the bins' edges (Kolmogorov and Smirnov).
fn kolmogorov(reference: &Counted, window: &Counted) -> Option<Statistic> {
    let (n, m) = (total(reference) as f64, total(window) as f64);
    if reference.edges.is_empty() || n == 0.0 || m == 0.0 || reference.counts.len() != window.counts.len() {
        return None;
    }
    let (mut a, mut b) = (reference.below as f64 / n, window.below as f64 / m);
    let mut largest = (a - b).abs();
    for (reference, window) in reference.counts.iter().zip(&window.counts) {
        a += *reference as f64 / n;
        b += *window as f64 / m;
        largest = largest.max((a - b).abs());
    }
    Some(Statistic { name: "KS".into(), value: largest, limit: None })
}

fn bars(reference: Counted, window: Counted) -> Bars {
    let float = |counts: &[u64]| counts.iter().map(|count| *count as f64).collect::<Vec<_>>();
    // A window without values has no counts; the picture wants as many as there are bins.
    let mut counted = float(&window.counts);
    counted.resize(reference.counts.len(), 0.0);
    if reference.edges.is_empty() {
        return Bars::Category {
            labels: reference.categories,
            reference: float(&reference.counts),
            window: counted,
            other: window.other as f64,
        };
    }
    Bars::Numeric {
        reference: float(&reference.counts),
        edges: reference.edges,
        window: counted,
        below: window.below as f64,
        above: window.above as f64,
    }
}
