//! The dashboard.
use super::Api;
use axum::Router;
pub(super) fn router() -> Router<Api> {
    Router::new()
}
