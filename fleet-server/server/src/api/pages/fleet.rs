//! `/`: who is here, what needs a decision.

use axum::{extract::State, response::Html};
use dunlin_dashboard::{
    pages,
    views::{Command, Decision, DeviceStatus, FleetFilter, FleetPage, Link, StatusCounts, Tone},
};
use serde::Deserialize;

use super::common::{self, device_row, frame};
use crate::{
    access::Caller,
    api::{Api, devices::serves, extract::Asked},
    clock::now_ms,
    error::ApiError,
    fleet::{Known, Status, device},
    registry::rows::Stage,
};

/// Devices on one page.
const PAGE: usize = 200;

#[derive(Deserialize)]
pub(super) struct Query {
    status: Option<String>,
    model: Option<String>,
    q: Option<String>,
    after: Option<String>,
}

pub(super) async fn show(
    caller: Caller,
    State(api): State<Api>,
    Asked(query): Asked<Query>,
) -> Result<Html<String>, ApiError> {
    let now = now_ms();
    let devices = api.store.read(device::all).await?;
    let filter = FleetFilter {
        status: query
            .status
            .and_then(|word| DeviceStatus::ALL.into_iter().find(|status| status.as_str() == word)),
        model: query.model.filter(|text| !text.is_empty()),
        text: query.q.filter(|text| !text.is_empty()),
    };
    let wanted = |known: &&Known| {
        let status = common::status(known.status(now));
        filter.status.map_or(status != DeviceStatus::Revoked, |wanted| wanted == status)
            && filter.model.as_ref().is_none_or(|model| serves(known, model))
            && filter.text.as_ref().is_none_or(|text| known.id.as_str().contains(text.as_str()))
    };
    let matching: Vec<&Known> = devices.iter().filter(wanted).collect();
    let after = query.after.unwrap_or_default();
    let rest: Vec<&&Known> = matching.iter().filter(|known| known.id.as_str() > after.as_str()).collect();
    let mut rows = Vec::new();
    for known in rest.iter().take(PAGE) {
        rows.push(device_row(&api, known, now).await);
    }
    let mut models: Vec<String> = devices
        .iter()
        .filter_map(|known| known.state.as_ref())
        .flat_map(|state| state.serving.iter().map(|serving| serving.model.to_string()))
        .collect();
    models.sort();
    models.dedup();
    let page = FleetPage {
        frame: frame(&api, &caller).await?,
        counts: counts(&devices, now),
        sentences: api.monitoring.sentences().await,
        decisions: decisions(&api).await?,
        matching: matching.len(),
        next_after: (rest.len() > PAGE).then(|| rows.last().map(|row| row.id.clone())).flatten(),
        devices: rows,
        filter,
        models,
    };
    Ok(Html(pages::fleet(&page)))
}

fn counts(devices: &[Known], now_ms: i64) -> StatusCounts {
    let of = |wanted| devices.iter().filter(|known| known.status(now_ms) == wanted).count();
    StatusCounts {
        online: of(Status::Online),
        stale: of(Status::Stale),
        offline: of(Status::Offline),
        enrolled: of(Status::Enrolled),
        revoked: of(Status::Revoked),
    }
}

/// What waits for a person: rollouts that are held or gone back, alerts, candidates.
async fn decisions(api: &Api) -> Result<Vec<Decision>, ApiError> {
    let mut waiting = Vec::new();
    for (stored, row) in common::rollouts(api).await?.into_iter().take(20) {
        use dunlin_rollout::Phase;
        let (tone, commands) = match &stored.rollout.phase {
            Phase::Paused { .. } => (Tone::Warning, super::rollouts::commands(&stored)),
            Phase::GoingBack { .. } => (Tone::Bad, Vec::new()),
            _ => continue,
        };
        waiting.push(Decision {
            tone,
            title: format!("Rollout of {}", row.model),
            detail: stored.sentence.clone(),
            since_ms: Some(row.started_ms),
            link: Some(Link { text: "Look at it".into(), href: format!("/rollouts/{}", row.id) }),
            commands,
        });
    }
    for alert in
        api.monitoring.alerts(false).await?.into_iter().filter(|alert| alert.state == "open").take(10)
    {
        waiting.push(Decision {
            tone: super::alerts::tone(&alert.severity),
            title: alert.kind.clone(),
            detail: alert.message,
            since_ms: Some(alert.since_ms),
            link: Some(Link { text: "See alerts".into(), href: "/alerts".into() }),
            commands: vec![Command {
                text: "Acknowledge".into(),
                action: format!("/api/v1/alerts/{}/acknowledge", alert.id),
                confirm: None,
            }],
        });
    }
    for row in api.registry.list().await?.into_iter().filter(|row| row.stage == Stage::Candidate).take(5) {
        waiting.push(Decision {
            tone: Tone::Info,
            title: format!("{} waits for a signature", row.model),
            detail: format!("It passed its probe. `dunlin model sign {}` releases it.", row.model),
            since_ms: Some(row.created_ms),
            link: Some(Link {
                text: "Look at it".into(),
                href: format!("/models/{}/{}", row.model.name, row.model.version),
            }),
            commands: Vec::new(),
        });
    }
    Ok(waiting)
}
