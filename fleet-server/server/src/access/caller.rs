//! Who asks: an argument of every HTTP route that needs to know.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, StatusCode, header, request::Parts},
};

use super::{Access, sessions::COOKIE};
use crate::{
    clock::now_ms,
    error::{ApiError, chain},
    storage::tokens,
};

/// The address a request came from. The listener puts it into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Someone who may use the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Their name, for the book of changes.
    pub who: String,
    /// The token that their right comes from.
    pub token: Option<String>,
}

/// 401, with the reason.
pub(super) fn unauthorised(message: String) -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorised",
        message,
        "send `Authorization: Bearer TOKEN` (make one with `dunlin token create --api`), \
         or log in with a link from `dunlin login-link`",
    )
}

/// The session in the request's cookies, if there is one.
pub fn session_of(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

impl Access {
    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// 401 if nobody who may.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            let token =
                token.ok_or_else(|| unauthorised("the Authorization header holds no bearer token".into()))?;
            return self.caller_by_token(token.trim()).await;
        }
        match session_of(headers) {
            Some(session) => self.caller_by_session(session).await,
            None => Err(unauthorised("the request carries no token and no session".into())),
        }
    }

    /// Whether the token that a caller's right comes from still holds, for those who stay connected.
    pub async fn is_still(&self, caller: &Caller) -> bool {
        let Some(token) = caller.token.clone() else { return true };
        let now = now_ms();
        self.store.read(move |db| tokens::holds(db, &token, now)).await.unwrap_or_else(|error| {
            tracing::warn!(error = chain(&error), "whether a token still holds could not be read");
            true
        })
    }
}

impl<S> FromRequestParts<S> for Caller
where
    Arc<Access>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Arc::<Access>::from_ref(state).caller(&parts.headers).await
    }
}
