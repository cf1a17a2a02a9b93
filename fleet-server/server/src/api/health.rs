//! `/healthz` (the process answers), `/readyz` (it can do its work), `/metrics`.

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};

use super::{
    Api,
    routes::{Routes, Spec},
};
use crate::{access::caller::Peer, error::ApiError};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(Spec::get("/healthz", "Whether the process answers").open().gives_bytes("text/plain"), alive)
        .route(Spec::get("/readyz", "Whether the database answers").open().gives_bytes("text/plain"), ready)
        .route(
            Spec::get("/metrics", "Prometheus metrics; from another host with a token")
                .gives_bytes("text/plain"),
            metrics,
        )
}

async fn alive() -> &'static str {
    "ok\n"
}

async fn ready(State(api): State<Api>) -> Result<&'static str, ApiError> {
    api.store.read(|db| db.query_row("SELECT 1", [], |_| Ok(()))).await?;
    Ok("ok\n")
}

/// A collector on the same host needs no token; any other sends one (`authorization` in Prometheus' scrape config).
async fn metrics(
    peer: Option<Extension<Peer>>,
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let local = peer.is_some_and(|Extension(Peer(peer))| peer.ip().to_canonical().is_loopback());
    // Behind a proxy everybody seems to be local.
    let proxied = headers.contains_key("x-forwarded-for") || headers.contains_key(header::FORWARDED);
    if !local || proxied {
        api.access.caller(&headers).await?;
    }
    let text = api.metrics.render();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
