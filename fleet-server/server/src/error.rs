//! Errors as people and programs outside see them: a stable code, what failed and why, and the way out.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::storage::StoreError;

/// An answer of the HTTP interface that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// A stable word to branch on.
    pub code: &'static str,
    /// What failed, with which value, and why.
    pub message: String,
    /// The next step, best as a command.
    pub cure: String,
}

/// What every error looks like to programs.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ApiError)]
pub struct Body<'a> {
    /// A stable word to branch on.
    code: &'a str,
    /// What failed, with which value, and why.
    message: &'a str,
    /// The next step, best as a command.
    cure: &'a str,
}

impl ApiError {
    /// An error with all its parts.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { status, code, message: message.into(), cure: cure.into() }
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(code: &'static str, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, cure)
    }

    /// 404: there is no such thing.
    pub fn not_found(code: &'static str, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message, cure)
    }

    /// 409: it does not fit what is there.
    pub fn conflict(code: &'static str, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message, cure)
    }

    /// 422: understood, and refused for what it holds.
    pub fn refused(code: &'static str, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message, cure)
    }

    /// 500: our fault. The cause goes to the log, not to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(cause = %cause, "a request failed inside the server");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server failed inside while answering; nothing was changed half-way",
            "see the server's log, then try again",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body { code: self.code, message: &self.message, cure: &self.cure };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1.
            let challenge = HeaderValue::from_static("Bearer realm=\"dunlin\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        // For pages, which show it to people.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(chain(&error))
    }
}

/// An error and its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
