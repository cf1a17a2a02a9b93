//! `/api/openapi.json`: this interface, for programs and generators.

use std::sync::LazyLock;

use axum::{
    http::{Method, header},
    response::{IntoResponse, Response},
};

use super::routes::{Routes, Spec, document};
use crate::access::{
    enrol,
    routes::LoginLink,
    tokens::{Created, NewToken, TokenView},
};

/// The document, written once.
static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| document(&super::all().specs).to_json().unwrap_or_default());

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(Spec::get("/api/openapi.json", "This document").gives_json().open(), show)
        .elsewhere(
            Spec::post("/api/v1/enrol", "Enrol a device with a one-time token")
                .open()
                .takes::<enrol::Request>()
                .gives::<enrol::Answer>(),
        )
        .elsewhere(Spec::get("/api/v1/tokens", "List tokens").gives::<Vec<TokenView>>())
        .elsewhere(
            Spec::post("/api/v1/tokens", "Make a token; it is shown once")
                .takes::<NewToken>()
                .gives::<Created>(),
        )
        .elsewhere(Spec::new(Method::DELETE, "/api/v1/tokens/{id}", "Revoke a token"))
        .elsewhere(
            Spec::post("/api/v1/login-links", "Make a one-time link to the dashboard").gives::<LoginLink>(),
        )
        .elsewhere(
            Spec::get(
                "/login",
                "Open the dashboard with a one-time link: a cookie, and on to the first page",
            )
            .open()
            .needs("code", "the link's code")
            .gives_bytes("text/html"),
        )
        .elsewhere(Spec::post("/api/v1/logout", "End the session of this cookie").open())
}

async fn show() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
