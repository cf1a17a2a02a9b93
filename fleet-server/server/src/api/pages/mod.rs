//! The dashboard: rows of the rooms become the values that `dunlin_dashboard` writes as pages.
//!
//! Nothing is decided and nothing drawn here. Buttons on the pages post to `/api/v1`.
//!
//! Reading order: [`common`], then one file per page.

mod alerts;
mod common;
mod device;
mod drift;
mod fleet;
mod models;
mod rollouts;

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use dunlin_dashboard::{assets, pages, views};

use super::{Api, extract::At};
use crate::error::ApiError;

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/", get(fleet::show))
        .route("/devices/{id}", get(device::show))
        .route("/models", get(models::list))
        .route("/models/{name}/{version}", get(models::show))
        .route("/rollouts", get(rollouts::list))
        .route("/rollouts/{id}", get(rollouts::show))
        .route("/drift", get(drift::map))
        .route("/drift/{model}/{feature}", get(drift::cell))
        .route("/alerts", get(alerts::list))
        .route("/assets/{*path}", get(asset))
}

/// The page that tells how to get in.
pub(super) fn login(api: &Api, refusal: Option<ApiError>) -> Response {
    let status = if refusal.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let page = views::LoginPage {
        frame: common::bare_frame(api),
        refusal: refusal.map(|error| format!("{}. {}", error.message, error.cure)),
    };
    (status, Html(pages::login(&page))).into_response()
}

/// The page of an error.
pub(super) fn error(api: &Api, error: ApiError) -> Response {
    let page = views::ErrorPage {
        frame: common::bare_frame(api),
        status: error.status.as_u16(),
        code: error.code.to_owned(),
        message: error.message,
        cure: Some(error.cure),
    };
    (error.status, Html(pages::error(&page))).into_response()
}

async fn asset(At(path): At<String>, headers: HeaderMap) -> Response {
    let Some(asset) = assets::get(&path) else {
        let path: String = path.chars().take(100).collect();
        return ApiError::not_found(
            "unknown-file",
            format!("there is no asset {path:?}"),
            "open the dashboard anew",
        )
        .into_response();
    };
    let common = [
        (header::ETAG, asset.etag.clone()),
        (header::CONTENT_TYPE, asset.content_type.to_owned()),
        (header::CACHE_CONTROL, "public, max-age=86400".to_owned()),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known == Some(asset.etag.as_str()) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, asset.bytes).into_response()
}
