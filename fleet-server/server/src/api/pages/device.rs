//! `/devices/{id}`.

use axum::{extract::State, response::Html};
use dunlin_dashboard::{
    pages,
    views::{Command, DeviceEvent, DevicePage, FeatureRow, Series, Spool, System, Tone},
};
use dunlin_monitoring::FeatureTimeline;
use dunlin_protocol::{
    DeviceId, Message, ModelRef,
    message::{ClockQuality, Desired, State as Reported, Window},
    statistics::{FeatureReference, FeatureStatistics, OutputStatistics},
};

use super::common::{self, device_row, frame, verdict};
use crate::{
    access::Caller,
    api::{
        Api,
        devices::known,
        extract::{At, named},
    },
    clock::now_ms,
    error::ApiError,
    monitoring::board::{DeviceBoard, ModelBoard},
    storage::{devices, events},
};

/// A figure of a window; `None` is a gap.
type Measure<'a> = &'a dyn Fn(&Window) -> Option<f64>;

/// Events on the page.
const EVENTS: u32 = 50;

pub(super) async fn show(
    caller: Caller,
    State(api): State<Api>,
    At(id): At<String>,
) -> Result<Html<String>, ApiError> {
    let id: DeviceId = named(&id)?;
    let known = known(&api, &id).await?;
    let (number, name) = (known.row.number, id.to_string());
    let (desired, events) = api
        .store
        .read(move |db| Ok((devices::desired(db, number)?, events::latest(db, &name, EVENTS)?)))
        .await?;
    let desired = desired.and_then(|(_, body)| Desired::decode(&body).ok());
    let state = known.state.as_ref();
    let board = api.monitoring.board.read().await;
    let on = board.device(&id);
    let windows: Vec<Window> = on.iter().flat_map(|(_, _, device)| device.history.windows()).collect();
    let series = |name: &str, of: Measure<'_>| Series {
        name: name.into(),
        points: windows.iter().map(|window| (window.start_ms, of(window))).collect(),
    };
    let per_minute = |window: &Window| {
        let minutes = window.duration_ms as f64 / 60_000.0;
        (minutes > 0.0).then(|| window.inferences as f64 / minutes)
    };
    let (inferences, latency) = (
        series("inferences per minute", &per_minute),
        vec![
            series("p50", &|window| window.latency.quantile(0.5)),
            series("p99", &|window| window.latency.quantile(0.99)),
        ],
    );
    let classes = on.map(|(_, model, _)| classes(model, &series)).unwrap_or_default();
    let features = on.map(|on| features(on, &windows)).unwrap_or_default();
    drop(board);
    let mut updates: Vec<_> =
        state.into_iter().flat_map(|state| &state.updates).map(common::update).collect();
    updates.sort_by_key(|update| std::cmp::Reverse(update.since_ms));
    let mut events: Vec<DeviceEvent> = events.into_iter().map(event).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at_ms));
    let page = DevicePage {
        frame: frame(&api, &caller).await?,
        device: device_row(&api, &known, now_ms()).await,
        enrolled_ms: known.row.enrolled_ms,
        words: known.row.words.split_whitespace().map(str::to_owned).collect(),
        clock: state.map(|state| clock(state.clock).to_owned()),
        generation: (
            desired.as_ref().map_or(0, |desired| desired.generation),
            state.map_or(0, |state| state.generation),
        ),
        desired: desired
            .iter()
            .flat_map(|desired| &desired.models)
            .map(|entry| entry.target.model().to_string())
            .collect(),
        updates,
        system: state.and_then(system),
        spool: state.and_then(|state| state.spool).map(|spool| Spool {
            records: spool.records,
            bytes: spool.bytes,
            limit_bytes: spool.limit_bytes,
            dropped: spool.dropped,
        }),
        features,
        inferences,
        latency,
        classes,
        markers: common::markers(&common::rollouts(&api).await?),
        events,
        commands: Vec::<Command>::new(),
    };
    Ok(Html(pages::device(&page)))
}

fn clock(quality: ClockQuality) -> &'static str {
    match quality {
        ClockQuality::Synchronised => "synchronised",
        ClockQuality::Unknown => "not known to be right",
        ClockQuality::Wrong => "certainly wrong",
    }
}

fn system(state: &Reported) -> Option<System> {
    let system = state.system.as_ref()?;
    Some(System {
        cpu: system.cpu,
        memory_used_bytes: system.memory_used_bytes,
        memory_total_bytes: system.memory_total_bytes,
        agent_bytes: system.agent_bytes,
        disk_free_bytes: system.disk_free_bytes,
        temperature_c: system.temperature_c,
        uptime_seconds: system.uptime_seconds,
        architecture: system.architecture.clone(),
        system: system.system.clone(),
    })
}

fn event(row: events::EventRow) -> DeviceEvent {
    let tone = match row.severity.as_str() {
        "error" => Tone::Bad,
        "warning" => Tone::Warning,
        _ => Tone::Quiet,
    };
    DeviceEvent { at_ms: row.at_ms, tone, code: row.code, message: row.message }
}

/// Share of each answered class over time.
fn classes(model: &ModelBoard, series: &dyn Fn(&str, Measure<'_>) -> Series) -> Vec<Series> {
    let of = |(index, label): (usize, &String)| {
        series(label, &|window| match &window.outputs {
            OutputStatistics::Classes { labels, .. } => {
                let total = labels.total();
                (total > 0).then(|| labels.0.get(index).copied().unwrap_or(0) as f64 / total as f64)
            }
            _ => None,
        })
    };
    model.manifest.spec.labels.iter().enumerate().map(of).collect()
}

fn features(
    (name, model, device): (&ModelRef, &ModelBoard, &DeviceBoard),
    windows: &[Window],
) -> Vec<FeatureRow> {
    let Some(reference) = &model.reference else { return Vec::new() };
    let parts = model.manifest.spec.features().zip(&device.features).zip(&reference.features).enumerate();
    parts
        .map(|(index, ((spec, timeline), reference))| {
            let FeatureTimeline { now, .. } = timeline;
            let seen: Vec<Option<(f64, f32, f32)>> =
                windows.iter().map(|window| numbers(reference, window.inputs.get(index)?)).collect();
            let latest = seen.last().copied().flatten();
            FeatureRow {
                model: name.name.to_string(),
                name: spec.name.clone(),
                unit: spec.unit.clone(),
                verdict: verdict(now.verdict.word()),
                psi: now.psi,
                limit: now.limit,
                n: now.n,
                missing: now.missing_share,
                mean: now.mean,
                min: latest.map(|(_, min, _)| f64::from(min)),
                max: latest.map(|(_, _, max)| f64::from(max)),
                trend: seen.iter().map(|one| one.map(|(mean, _, _)| mean)).collect(),
            }
        })
        .collect()
}

/// Mean, smallest and largest value of a number column.
fn numbers(reference: &FeatureReference, statistics: &FeatureStatistics) -> Option<(f64, f32, f32)> {
    match (reference, statistics) {
        (FeatureReference::Numeric { bins, .. }, FeatureStatistics::Numeric(numeric)) => {
            Some((numeric.mean(bins)?, numeric.min?, numeric.max?))
        }
        _ => None,
    }
}
