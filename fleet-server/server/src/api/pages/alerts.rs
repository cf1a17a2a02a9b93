//! `/alerts`.

use axum::{extract::State, response::Html};
use dunlin_dashboard::{
    pages,
    views::{self, AlertState, AlertsFilter, AlertsPage, Tone},
};
use serde::Deserialize;

use super::common::frame;
use crate::{
    access::Caller,
    api::{Api, extract::Asked},
    error::ApiError,
};

#[derive(Deserialize)]
pub(super) struct Query {
    state: Option<String>,
    kind: Option<String>,
}

/// How a severity is to be felt.
pub(super) fn tone(severity: &str) -> Tone {
    match severity {
        "critical" => Tone::Bad,
        "warning" => Tone::Warning,
        _ => Tone::Info,
    }
}

pub(super) async fn list(
    caller: Caller,
    State(api): State<Api>,
    Asked(query): Asked<Query>,
) -> Result<Html<String>, ApiError> {
    let filter = AlertsFilter {
        all: query.state.as_deref() == Some("all"),
        kind: query.kind.filter(|kind| !kind.is_empty()),
    };
    let rows = api.monitoring.alerts(filter.all).await?;
    let rows = rows.into_iter().filter(|row| filter.kind.as_ref().is_none_or(|kind| *kind == row.kind));
    let alerts = rows
        .map(|row| views::AlertRow {
            id: row.id.to_string(),
            tone: tone(&row.severity),
            state: match row.state.as_str() {
                "acknowledged" => AlertState::Acknowledged,
                "closed" => AlertState::Closed,
                _ => AlertState::Open,
            },
            kind: row.kind,
            model: row.model,
            feature: row.feature,
            device: row.device,
            since_ms: row.since_ms,
            last_ms: row.last_ms,
            message: row.message,
        })
        .collect();
    Ok(Html(pages::alerts(&AlertsPage { frame: frame(&api, &caller).await?, alerts, filter })))
}
