//! `/healthz` (the process answers), `/readyz` (it can do its work), `/metrics`.

use std::time::Duration;

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use tokio::time::timeout;

use super::{
    Api,
    routes::{Routes, Spec},
};
use crate::{
    access::caller::Peer,
    error::{ApiError, chain},
};

/// Longest that the database may take to say that it works.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(Spec::get("/healthz", "Whether the process answers").open().gives_bytes("text/plain"), alive)
        .route(
            Spec::get("/readyz", "Whether the database can be read and written; 503 with the reason if not")
                .open()
                .gives_bytes("text/plain"),
            ready,
        )
        .route(
            Spec::get("/metrics", "Prometheus metrics; from another host with a token")
                .open_here()
                .gives_bytes("text/plain"),
            metrics,
        )
}

async fn alive() -> &'static str {
    "ok\n"
}

async fn ready(State(api): State<Api>) -> Result<&'static str, ApiError> {
    let unready = |reason: String| {
        let message = format!("the server cannot do its work: {reason}");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", message, "see the server's log")
    };
    let asked = async {
        api.store.read(|db| db.query_row("SELECT 1", [], |_| Ok(()))).await?;
        // An empty transaction: the one writer is there, and no other program holds the file.
        api.store.write(|_| Ok(())).await
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok(())) => Ok("ok\n"),
        Ok(Err(error)) => Err(unready(chain(&error))),
        Err(_) => Err(unready(format!("the database did not answer within {} s", PATIENCE.as_secs()))),
    }
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
