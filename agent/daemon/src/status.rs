//! How the agent stands: one line for the service manager, numbers for Prometheus.

use std::sync::atomic::Ordering;

use crate::{app::Shared, serving::metrics::Text};

/// One line for `systemctl status`: link, models, what waits.
pub fn line(agent: &Shared) -> String {
    let link = match (&agent.device, agent.health.report().connected) {
        (None, _) => "waits for `dunlin-agent enrol`",
        (Some(_), true) => "online",
        (Some(_), false) => "offline",
    };
    let models: Vec<String> = agent.models.all().iter().map(|loaded| loaded.model.to_string()).collect();
    let models = if models.is_empty() { "no model yet".to_owned() } else { models.join(", ") };
    format!("{link}; {models}; {} records wait", agent.spool.report().records)
}

/// Prometheus text of a running agent.
pub fn metrics(agent: &Shared) -> String {
    let mut text = Text::default();
    let link = agent.health.report();
    let spool = agent.spool.report();
    let (rows, bad) = agent.rows();
    let mut gauge = |name: &str, help: &str, value: f64| text.metric(name, "gauge", help, &[(&[], value)]);
    gauge(
        "dunlin_agent_connected",
        "1 while the broker hears this device.",
        f64::from(u8::from(link.connected)),
    );
    gauge("dunlin_agent_spool_records", "Records not yet acknowledged.", spool.records as f64);
    gauge("dunlin_agent_spool_bytes", "Bytes of the spool on disk.", spool.bytes as f64);
    let mut counter =
        |name: &str, help: &str, value: u64| text.metric(name, "counter", help, &[(&[], value as f64)]);
    counter("dunlin_agent_records_accepted_total", "Records kept since the start.", agent.spool.accepted());
    counter("dunlin_agent_records_delivered_total", "Records acknowledged since the start.", link.delivered);
    counter(
        "dunlin_agent_records_dropped_total",
        "Records merged or dropped since enrolment.",
        spool.dropped,
    );
    counter("dunlin_agent_rows_total", "Rows from the source that were answered.", rows);
    counter("dunlin_agent_bad_rows_total", "Rows from the source that could not be used.", bad);
    let models = agent.models.all();
    let named: Vec<_> = models
        .iter()
        .map(|loaded| (loaded.model.name.to_string(), loaded.model.version.to_string(), loaded))
        .collect();
    let labels: Vec<_> = named
        .iter()
        .map(|(name, version, _)| [("model", name.as_str()), ("version", version.as_str())])
        .collect();
    for (metric, help, failed) in [
        ("dunlin_agent_inferences_total", "Runs that gave an answer.", false),
        ("dunlin_agent_inference_failures_total", "Runs that failed.", true),
    ] {
        let samples: Vec<(&[(&str, &str)], f64)> = named
            .iter()
            .zip(&labels)
            .map(|((_, _, loaded), labels)| {
                let counter = if failed { &loaded.failed } else { &loaded.answered };
                (labels.as_slice(), counter.load(Ordering::Relaxed) as f64)
            })
            .collect();
        text.metric(metric, "counter", help, &samples);
    }
    text.finish()
}
