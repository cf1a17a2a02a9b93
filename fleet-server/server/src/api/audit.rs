//! `/api/v1/audit`: who changed what.

use axum::{Json, extract::State};
use serde::Deserialize;

use super::{
    Api,
    extract::Asked,
    routes::{Routes, Spec},
};
use crate::{access::Caller, audit::Entry, error::ApiError};

/// Entries in one answer where no limit is asked for, and the most that may be.
const LIMIT: (u32, u32) = (200, 5000);

pub(super) fn routes(routes: Routes) -> Routes {
    routes.route(
        Spec::get("/api/v1/audit", "List changes, the newest first")
            .number("before", "only entries with a smaller id")
            .count("limit", "most entries in the answer")
            .gives::<Vec<Entry>>(),
        list,
    )
}

#[derive(Deserialize)]
struct Page {
    before: Option<i64>,
    limit: Option<u32>,
}

async fn list(
    _: Caller,
    State(api): State<Api>,
    Asked(page): Asked<Page>,
) -> Result<Json<Vec<Entry>>, ApiError> {
    let limit = page.limit.unwrap_or(LIMIT.0).min(LIMIT.1);
    Ok(Json(api.audit.latest(page.before.unwrap_or(i64::MAX), limit).await?))
}
