//! Wires the rooms that decide and show, over what every room holds, and starts their tasks. Part of [`crate::app`].

use std::{sync::OnceLock, time::Duration};

use anyhow::Context;
use jiff::Timestamp;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::{
    api::Api,
    app::Core,
    data::Datasets,
    fleet::Fleet,
    jobs::Jobs,
    monitoring::Monitoring,
    registry::{Objects, Prober, Registry, release::Releases},
};

/// How often signatures are looked at; they are renewed at half of their time.
const SIGNATURES: Duration = Duration::from_secs(600);
/// How often old samples of histograms are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// Builds the rooms and starts their tasks.
///
/// # Errors
/// With a way out: no `dunlin-agent` to judge models with, a folder without keys or metadata.
pub(crate) async fn build(core: &Core) -> anyhow::Result<Api> {
    let prober = Prober::find(&core.config.probe)?;
    let objects = Objects::local(&core.folder.objects())
        .with_context(|| format!("cannot open {}", core.folder.objects().display()))?;
    let releases = Releases::open(&core.folder).context(
        "the signed metadata cannot be opened; put tuf/ and keys/ back from a copy of this folder",
    )?;
    let registry = Registry::new(core.store.clone(), objects.clone(), prober, releases);
    registry.settle().await?;
    let waves = core.folder.path().join("waves");
    let fleet =
        Fleet::new(core.store.clone(), core.link.clone(), core.live.clone(), core.audit.clone(), waves);
    let datasets = Datasets::new(core.store.clone(), objects);
    let jobs = Jobs::new(
        core.store.clone(),
        registry.clone(),
        datasets.clone(),
        core.live.clone(),
        core.audit.clone(),
    );
    let monitoring = Monitoring::new(core.store.clone(), core.live.clone());
    let metrics = recorder()?;

    let stop = &core.shutdown;
    core.tasks.spawn(fleet.clone().run(stop.clone()));
    core.tasks.spawn(jobs.clone().run(stop.clone()));
    core.tasks.spawn(monitoring.clone().run(stop.clone()));
    core.tasks.spawn(every(UPKEEP, stop.clone(), {
        let metrics = metrics.clone();
        move || {
            metrics.run_upkeep();
            async {}
        }
    }));
    core.tasks.spawn(every(SIGNATURES, stop.clone(), {
        let registry = registry.clone();
        move || renew(registry.clone())
    }));
    Ok(Api {
        store: core.store.clone(),
        access: core.access.clone(),
        audit: core.audit.clone(),
        link: core.link.clone(),
        live: core.live.clone(),
        registry,
        fleet,
        datasets,
        jobs,
        monitoring,
        shutdown: core.shutdown.clone(),
        metrics,
    })
}

async fn every<F, T>(period: Duration, stop: tokio_util::sync::CancellationToken, mut work: F)
where
    F: FnMut() -> T,
    T: Future<Output = ()>,
{
    let mut tick = tokio::time::interval(period);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => work().await,
        }
    }
}

async fn renew(registry: Registry) {
    match registry.refresh_signatures(Timestamp::now()).await {
        Ok(true) => tracing::info!("snapshot and timestamp signed anew"),
        Ok(false) => {}
        Err(error) => {
            tracing::error!(error = crate::error::chain(&error), "snapshot and timestamp not signed anew")
        }
    }
}

/// The one recorder of this process.
fn recorder() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = HANDLE.get_or_init(|| recorder.handle()).clone();
    // Another server in this process, as in tests, may have been first; then its recorder counts.
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::debug!("metrics are recorded already");
    }
    describe();
    Ok(handle)
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("dunlin_devices", "Devices by status.");
    describe_gauge!("dunlin_rollouts_running", "Rollouts that have not ended.");
    describe_counter!("dunlin_rollout_phases_total", "Phases that rollouts entered.");
    describe_counter!("dunlin_http_requests_total", "HTTP requests by route and status.");
    describe_histogram!("dunlin_http_request_seconds", "Time to answer an HTTP request.");
    describe_counter!("dunlin_server_messages_total", "Messages of devices by channel.");
    describe_counter!("dunlin_server_duplicates_total", "Records that were stored before.");
    describe_counter!("dunlin_server_noticed_total", "Refused publishes and unreadable messages.");
}
