//! Arguments of handlers whose errors look like all others.

use std::str::FromStr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Multipart, Query, Request, multipart::MultipartError},
    http::{StatusCode, header, request::Parts},
};
use dunlin_protocol::NameError;
use serde::de::DeserializeOwned;

use crate::{access::routes::in_time, error::ApiError, registry::Upload};

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
                too_large()
            } else {
                ApiError::new(status, "body", text, "send the file again; the connection broke off")
            }
        })
    }
}

/// A model, as the body alone or as the part `model` of a form with what it is compared with in the part `golden`.
impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().to_vec());
        if !kind.is_some_and(|kind| kind.starts_with(b"multipart/form-data")) {
            return Ok(Self { model: Raw::from_request(request, state).await?.0, golden: None });
        }
        let form = |text: String| {
            ApiError::bad_request(
                "form",
                text,
                "send a form with the file parts `model` and, if you like, `golden`",
            )
        };
        let headers = request.headers().clone();
        let mut parts =
            Multipart::from_request(request, state).await.map_err(|error| form(error.body_text()))?;
        let (mut model, mut golden) = (None, None);
        in_time(&headers, async {
            while let Some(part) = parts.next_field().await? {
                let place = match part.name() {
                    Some("model") => &mut model,
                    Some("golden") => &mut golden,
                    _ => continue,
                };
                *place = Some(part.bytes().await?);
            }
            Ok::<_, MultipartError>(())
        })
        .await?
        .map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => form(error.body_text()),
        })?;
        let model = model.ok_or_else(|| form("the form has no part `model`".into()))?;
        Ok(Self { model, golden })
    }
}

fn too_large() -> ApiError {
    let message = "the body is larger than this route takes";
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message, "send a smaller file")
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
