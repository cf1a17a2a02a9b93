//! The HTTP routes of this room.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State, rejection::JsonRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{delete, get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    Access, Caller, caller,
    caller::Peer,
    enrol,
    tokens::{Created, NewToken, TokenView},
};
use crate::error::ApiError;

/// Largest body of these routes, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// Enrolment, tokens, login.
pub fn routes(access: Arc<Access>) -> Router {
    Router::new()
        .route("/api/v1/enrol", post(enrol))
        .route("/api/v1/tokens", get(list).post(create))
        .route("/api/v1/tokens/{id}", delete(revoke))
        .route("/api/v1/login-links", post(link))
        .route("/api/v1/logout", post(logout))
        .route("/login", get(login))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(access)
}

/// A JSON body whose errors look like all others.
pub struct Body<T>(pub T);

impl<T, S> FromRequest<S> for Body<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Json::from_request(request, state).await.map(|Json(value)| Self(value)).map_err(
            |error: JsonRejection| {
                let cure = "see /api/openapi.json for what is expected";
                ApiError::new(error.status(), "body", error.body_text(), cure)
            },
        )
    }
}

async fn enrol(
    State(access): State<Arc<Access>>,
    Extension(Peer(peer)): Extension<Peer>,
    Body(request): Body<enrol::Request>,
) -> Result<Json<enrol::Answer>, ApiError> {
    access.enrol(peer.ip(), request).await.map(Json)
}

async fn create(
    caller: Caller,
    State(access): State<Arc<Access>>,
    Body(wish): Body<NewToken>,
) -> Result<(StatusCode, Json<Created>), ApiError> {
    Ok((StatusCode::CREATED, Json(access.create_token(&caller.who, &wish).await?)))
}

async fn list(_: Caller, State(access): State<Arc<Access>>) -> Result<Json<Vec<TokenView>>, ApiError> {
    access.list_tokens().await.map(Json)
}

async fn revoke(
    caller: Caller,
    State(access): State<Arc<Access>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    access.revoke_token(&caller.who, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn link(caller: Caller, State(access): State<Arc<Access>>) -> Result<Response, ApiError> {
    let url = access.create_login_link(&caller).await?;
    Ok((StatusCode::CREATED, Json(json!({ "url": url }))).into_response())
}

async fn logout(State(access): State<Arc<Access>>, headers: HeaderMap) -> Result<StatusCode, ApiError> {
    if let Some(session) = caller::session_of(&headers) {
        access.end_session(session).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Login {
    code: Option<String>,
}

async fn login(
    State(access): State<Arc<Access>>,
    Query(Login { code }): Query<Login>,
) -> Result<Response, ApiError> {
    let code = code.ok_or_else(|| {
        ApiError::new(
            StatusCode::UNAUTHORIZED,
            "login-link",
            "this page opens with a login link",
            "make one with `dunlin login-link`",
        )
    })?;
    let cookie = access.redeem_login(&code).await?;
    let cookie = HeaderValue::from_str(&cookie).map_err(ApiError::internal)?;
    let mut response = Redirect::to("/").into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}
