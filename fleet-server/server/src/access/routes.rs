//! The HTTP routes of this room.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{
        DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request, State,
        rejection::JsonRejection,
    },
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
    routing::{delete, get, post},
};
use dunlin_protocol::bundle;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

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

/// Parts of the path, whose errors look like all others.
pub struct At<T>(pub T);

impl<T, S> FromRequestParts<S> for At<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::<T>::from_request_parts(parts, state).await.map(|Path(value)| Self(value)).map_err(|error| {
            ApiError::new(
                error.status(),
                "path",
                error.body_text(),
                "correct the address; see /api/openapi.json",
            )
        })
    }
}

/// Time that any body may take, and the slowest rate, in bytes a second, that a longer one may come at.
const BODY_PATIENCE: (Duration, u64) = (Duration::from_secs(30), 20_000);

/// Waits for a body no longer than one of its length may take: a body that never ends would hold its connection.
pub async fn in_time<T>(headers: &HeaderMap, reading: impl Future<Output = T>) -> Result<T, ApiError> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // Without a length it may be as long as the longest upload.
    let (least, rate) = BODY_PATIENCE;
    let patience = least + Duration::from_secs(length.unwrap_or(bundle::MAX_BUNDLE) / rate);
    tokio::time::timeout(patience, reading).await.map_err(|_| {
        let message = format!("the body did not arrive within {} s", patience.as_secs());
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
            message,
            "send it again over a better connection",
        )
    })
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
        let read = in_time(&request.headers().clone(), Json::from_request(request, state)).await?;
        read.map(|Json(value)| Self(value)).map_err(|error: JsonRejection| {
            let cure = "see /api/openapi.json for what is expected";
            ApiError::new(error.status(), "body", error.body_text(), cure)
        })
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
    At(id): At<String>,
) -> Result<StatusCode, ApiError> {
    access.revoke_token(&caller.who, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A link that opens the dashboard once.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LoginLink {
    /// The address.
    pub url: String,
}

async fn link(
    caller: Caller,
    State(access): State<Arc<Access>>,
) -> Result<(StatusCode, Json<LoginLink>), ApiError> {
    let url = access.create_login_link(&caller).await?;
    Ok((StatusCode::CREATED, Json(LoginLink { url })))
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
