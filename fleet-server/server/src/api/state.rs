//! What handlers may use.

use std::sync::Arc;

use axum::extract::FromRef;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    access::Access, audit::Audit, data::Datasets, fleet::Fleet, ingest::live::Live, jobs::Jobs, link::Link,
    monitoring::Monitoring, registry::Registry, storage::Store,
};

/// The rooms behind the interface. Clones share them.
#[derive(Clone)]
pub struct Api {
    /// Rows.
    pub store: Store,
    /// Who may.
    pub access: Arc<Access>,
    /// The book of changes.
    pub audit: Audit,
    /// Speaks to devices.
    pub link: Arc<dyn Link>,
    /// What happens now.
    pub live: Live,
    /// Models.
    pub registry: Registry,
    /// Rollouts.
    pub fleet: Fleet,
    /// Datasets.
    pub datasets: Datasets,
    /// Training.
    pub jobs: Jobs,
    /// Drift and alerts.
    pub monitoring: Monitoring,
    /// Cancelled when the server ends.
    pub shutdown: CancellationToken,
    /// Writes `/metrics`.
    pub metrics: PrometheusHandle,
}

impl FromRef<Api> for Arc<Access> {
    fn from_ref(api: &Api) -> Self {
        api.access.clone()
    }
}
