//! `/api/v1/alerts`: what someone should know.

use axum::{Json, extract::State};
use serde::Deserialize;

use super::{
    Api,
    extract::{Asked, At},
    routes::{Routes, Spec},
};
use crate::{access::Caller, error::ApiError, monitoring::AlertRow};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(
            Spec::get("/api/v1/alerts", "List alerts, the newest first")
                .word("state", &["open", "all"], "open (with acknowledged ones) or all")
                .gives::<Vec<AlertRow>>(),
            list,
        )
        .route(
            Spec::post("/api/v1/alerts/{id}/acknowledge", "Say that somebody knows").gives::<AlertRow>(),
            acknowledge,
        )
}

#[derive(Deserialize)]
struct Filter {
    state: Option<Which>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Which {
    Open,
    All,
}

async fn list(
    _: Caller,
    State(api): State<Api>,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Vec<AlertRow>>, ApiError> {
    Ok(Json(api.monitoring.alerts(filter.state == Some(Which::All)).await?))
}

async fn acknowledge(
    caller: Caller,
    State(api): State<Api>,
    At(id): At<String>,
) -> Result<Json<AlertRow>, ApiError> {
    Ok(Json(done(&api, &caller, &id).await?))
}

/// Acknowledges an alert.
pub(super) async fn done(api: &Api, caller: &Caller, id: &str) -> Result<AlertRow, ApiError> {
    let unknown = || {
        let shown: String = id.chars().take(32).collect();
        ApiError::not_found(
            "unknown-alert",
            format!("there is no alert {shown:?}"),
            "see `dunlin alert list`",
        )
    };
    let number: i64 = id.parse().map_err(|_| unknown())?;
    let row = api.monitoring.acknowledge(number).await?.ok_or_else(unknown)?;
    api.audit.record(&caller.who, "alert-acknowledged", id, serde_json::json!({})).await?;
    Ok(row)
}
