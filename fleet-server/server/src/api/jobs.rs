//! `/api/v1/jobs`: ask for a training, see how far it is.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;

use super::{
    Api,
    extract::{At, Body},
    routes::{Routes, Spec},
};
use crate::{
    access::Caller,
    error::ApiError,
    jobs::{JobRow, TrainJob},
};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(
            Spec::post("/api/v1/jobs/train", "Train a model; it becomes a candidate")
                .takes::<TrainJob>()
                .gives::<Queued>(),
            train,
        )
        .route(Spec::get("/api/v1/jobs", "List jobs, the newest first").gives::<Vec<JobRow>>(), list)
        .route(Spec::get("/api/v1/jobs/{id}", "Show a job").gives::<JobRow>(), show)
}

/// A job that was queued.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Queued {
    /// Its id.
    pub id: String,
}

async fn train(
    caller: Caller,
    State(api): State<Api>,
    Body(job): Body<TrainJob>,
) -> Result<(StatusCode, Json<Queued>), ApiError> {
    let id = api.jobs.train(job, &caller.who).await?;
    Ok((StatusCode::ACCEPTED, Json(Queued { id })))
}

async fn list(_: Caller, State(api): State<Api>) -> Result<Json<Vec<JobRow>>, ApiError> {
    Ok(Json(api.jobs.list().await?))
}

async fn show(_: Caller, State(api): State<Api>, At(id): At<String>) -> Result<Json<JobRow>, ApiError> {
    Ok(Json(api.jobs.find(&id).await?))
}
