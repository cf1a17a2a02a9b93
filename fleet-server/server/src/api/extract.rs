//! Arguments of handlers whose errors look like all others.

use std::str::FromStr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{StatusCode, request::Parts},
};
use dunlin_protocol::NameError;
use serde::de::DeserializeOwned;

use crate::{access::routes::in_time, error::ApiError};

pub use crate::access::routes::{At, Body};

/// The query string.
pub struct Asked<T>(pub T);

impl<T, S> FromRequestParts<S> for Asked<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::<T>::from_request_parts(parts, state).await.map(|Query(value)| Self(value)).map_err(|error| {
            ApiError::bad_request("query", error.body_text(), "see /api/openapi.json for what is understood")
        })
    }
}

/// A body of bytes, as large as the route's limit allows.
pub struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = in_time(&request.headers().clone(), Bytes::from_request(request, state)).await?;
        read.map(Self).map_err(|error| {
            let (status, text) = (error.status(), error.body_text());
            if status == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::new(
                    status,
                    "too-large",
                    "the body is larger than this route takes",
                    "send a smaller file",
                )
            } else {
                ApiError::new(status, "body", text, "send the file again; the connection broke off")
            }
        })
    }
}

/// A name out of the path.
///
/// # Errors
/// 400 with the rule for such names.
pub fn named<T: FromStr<Err = NameError>>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error: NameError| {
        ApiError::bad_request("bad-name", error.to_string(), "correct the name in the address")
    })
}
