//! What happens to every request: an id, a trace, a count, security headers, and pages for people who must log in.

use std::time::Instant;

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Redirect, Response},
};
use tracing::Instrument;

use crate::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds it to all routes, and an answer for paths that are none.
pub fn surround(router: Router) -> Router {
    router.fallback(nowhere).layer(from_fn(same_origin)).layer(from_fn(around))
}

async fn nowhere(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(200).collect();
    ApiError::not_found("unknown-path", format!("there is nothing at {path}"), "see /api/openapi.json")
}

async fn around(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = format!("{:016x}", rand::random::<u64>());
    let path = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let (method, page) = (request.method().clone(), is_page(request.uri().path()));
    let wants_page = page && request.method() == axum::http::Method::GET;
    let span = tracing::info_span!("request", id = %id, method = %method, path = %path);
    let mut response = next.run(request).instrument(span.clone()).await;
    if wants_page && response.status() == StatusCode::UNAUTHORIZED && path != "/login" {
        response = Redirect::to("/login").into_response();
    }
    let status = response.status();
    span.in_scope(|| {
        tracing::debug!(status = status.as_u16(), took_us = begun.elapsed().as_micros() as u64, "answered")
    });
    metrics::counter!("dunlin_http_requests_total", "method" => method.to_string(), "path" => path.clone(), "status" => status.as_u16().to_string()).increment(1);
    metrics::histogram!("dunlin_http_request_seconds", "path" => path).record(begun.elapsed().as_secs_f64());
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(dunlin_dashboard::CONTENT_SECURITY_POLICY),
    );
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    if page {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// Whether the path is for people with browsers.
fn is_page(path: &str) -> bool {
    !["/api/", "/tuf/", "/assets/", "/metrics", "/healthz", "/readyz"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

/// A browser says from where a request comes (Fetch Metadata; RFC 6454 `Origin`). What changes something and comes
/// from another site is refused, so that no foreign page can use the viewer's session. Programs send neither
/// header and carry a token.
async fn same_origin(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_same_origin(&request) {
        return next.run(request).await;
    }
    ApiError::new(
        StatusCode::FORBIDDEN,
        "foreign-origin",
        "the request comes from a page of another site",
        "open the dashboard itself and press the button there",
    )
    .into_response()
}

fn is_same_origin(request: &Request) -> bool {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    match text(HeaderName::from_static("sec-fetch-site")) {
        Some("same-origin" | "none") => return true,
        Some(_) => return false,
        None => {}
    }
    match text(header::ORIGIN) {
        None => true,
        Some(origin) => {
            let host = origin.split_once("://").map_or("", |(_, host)| host);
            text(header::HOST).is_some_and(|own| own == host)
        }
    }
}
