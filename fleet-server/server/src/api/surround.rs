//! What happens to every request: an id, a trace, a count, security headers, and pages for people who must log in.

use std::time::Instant;

use axum::{
    Router,
    extract::State,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Redirect, Response},
};
use tracing::Instrument;

use super::{Api, pages};
use crate::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds it to all routes, and an answer for paths that are none.
pub fn surround(router: Router, api: Api) -> Router {
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(same_origin))
        .layer(from_fn_with_state(api, for_people))
        .layer(from_fn(around))
}

async fn nowhere(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(200).collect();
    ApiError::not_found("unknown-path", format!("there is nothing at {path}"), "see /api/openapi.json")
}

/// The router adds which methods there are (`Allow`).
async fn wrong_method(request: Request) -> ApiError {
    let (method, path) = (request.method(), request.uri().path());
    let path: String = path.chars().take(200).collect();
    let message = format!("{path} does not take {method}");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", message, "see /api/openapi.json")
}

/// A method's name as a label. Names that clients make up are one: each label is a series that stays.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

async fn around(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = format!("{:016x}", rand::random::<u64>());
    let path = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let (method, page) = (request.method().clone(), is_page(request.uri().path()));
    let span = tracing::info_span!("request", id = %id, method = %method, path = %path);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.in_scope(|| {
        tracing::debug!(status = status.as_u16(), took_us = begun.elapsed().as_micros() as u64, "answered")
    });
    metrics::counter!("dunlin_http_requests_total", "method" => known(&method), "path" => path.clone(), "status" => status.as_u16().to_string()).increment(1);
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

/// A person with a browser gets pages: the way in where a session is needed, errors in words, and after a form
/// the page it stood on.
async fn for_people(State(api): State<Api>, request: Request, next: Next) -> Response {
    let accepts_pages = text(&request, header::ACCEPT).is_some_and(|accept| accept.contains("text/html"));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let tried = request.uri().query().is_some();
    let back = text(&request, header::REFERER).and_then(|from| from.parse::<Uri>().ok());
    let response = next.run(request).await;
    if method == Method::POST && accepts_pages && response.status().is_success() {
        let back = back.and_then(|uri| Some(uri.path_and_query()?.as_str().to_owned()));
        // A path that begins with two slashes would name another host.
        let back = back.filter(|path| path.starts_with('/') && !path.starts_with("//"));
        return Redirect::to(back.as_deref().unwrap_or("/")).into_response();
    }
    let Some(error) =
        response.extensions().get::<ApiError>().filter(|_| is_page(&path) || accepts_pages).cloned()
    else {
        return response;
    };
    match (error.status, path.as_str()) {
        (StatusCode::UNAUTHORIZED, "/login") => pages::login(&api, tried.then_some(error)),
        (StatusCode::UNAUTHORIZED, _) if method == Method::GET && is_page(&path) => {
            Redirect::to("/login").into_response()
        }
        _ => pages::error(&api, error),
    }
}

fn text(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
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
    match text(request, HeaderName::from_static("sec-fetch-site")) {
        Some("same-origin" | "none") => return true,
        Some(_) => return false,
        None => {}
    }
    match text(request, header::ORIGIN) {
        None => true,
        Some(origin) => {
            let host = origin.split_once("://").map_or("", |(_, host)| host);
            text(request, header::HOST).is_some_and(|own| own == host)
        }
    }
}
