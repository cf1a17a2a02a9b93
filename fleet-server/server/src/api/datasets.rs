//! `/api/v1/datasets`: CSV files to train on.

use axum::{Json, extract::State, http::StatusCode};
use dunlin_learning::Limits;
use serde::Deserialize;
use serde_json::json;

use super::{
    Api,
    extract::{Asked, Raw},
    routes::{Routes, Spec},
};
use crate::{access::Caller, data::DatasetRow, error::ApiError};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(
            Spec::post("/api/v1/datasets", "Upload a CSV file with a header")
                .needs("name", "what people call it")
                .takes_bytes("text/csv")
                .up_to(Limits::default().bytes)
                .gives::<DatasetRow>(),
            add,
        )
        .route(
            Spec::get("/api/v1/datasets", "List datasets, the newest first").gives::<Vec<DatasetRow>>(),
            list,
        )
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn add(
    caller: Caller,
    State(api): State<Api>,
    Asked(Named { name }): Asked<Named>,
    Raw(bytes): Raw,
) -> Result<(StatusCode, Json<DatasetRow>), ApiError> {
    let row = api.datasets.add(&name, bytes).await?;
    let detail = json!({ "id": row.id, "rows": row.rows });
    api.audit.record(&caller.who, "dataset-added", &row.name, detail).await?;
    Ok((StatusCode::CREATED, Json(row)))
}

async fn list(_: Caller, State(api): State<Api>) -> Result<Json<Vec<DatasetRow>>, ApiError> {
    Ok(Json(api.datasets.list().await?))
}
