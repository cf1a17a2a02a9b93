//! What the server shows to people and programs over HTTP: `/api/v1`, `/tuf`, the dashboard, health and metrics.
//!
//! A route is declared once, with what it does, takes and gives ([`routes`]); router, OpenAPI document and the test
//! that nobody gets in without a token are all made from that. Handlers turn requests into calls of other rooms and
//! rows into views; they decide nothing.
//!
//! Reading order: [`state`], [`routes`], [`extract`], [`surround`] (what happens to every request), then one file
//! per resource; [`pages`] is the dashboard.

pub mod alerts;
pub mod audit;
pub mod datasets;
pub mod devices;
pub mod drift;
pub mod extract;
pub mod health;
pub mod jobs;
pub mod models;
pub mod openapi;
pub mod pages;
pub mod rollouts;
pub mod routes;
pub mod state;
pub mod stream;
pub mod surround;
pub mod tuf;

#[cfg(test)]
mod tests;

pub use state::Api;

use axum::Router;

use routes::Routes;

/// Every route of this room, documented.
fn all() -> Routes {
    Routes::default()
        .with(devices::routes)
        .with(models::routes)
        .with(tuf::routes)
        .with(rollouts::routes)
        .with(datasets::routes)
        .with(jobs::routes)
        .with(drift::routes)
        .with(alerts::routes)
        .with(stream::routes)
        .with(audit::routes)
        .with(health::routes)
        .with(openapi::routes)
}

/// The whole HTTP interface.
pub fn router(api: Api) -> Router {
    let access = crate::access::routes::routes(api.access.clone());
    let routes = all().router.merge(pages::router());
    surround::surround(routes.with_state(api.clone()).merge(access), api)
}
