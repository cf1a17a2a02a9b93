//! `/models` and `/models/{name}/{version}`.

use axum::{extract::State, response::Html};
use dunlin_dashboard::{
    pages,
    views::{
        self, Confusion, DatasetRow, FeatureInput, JobRow, MetricRow, ModelPage, ModelRow, ModelsPage, Probe,
        ProbeCheck, Series, VersionRow,
    },
};
use dunlin_protocol::spec::Task;
use serde_json::Value;

use super::common::{self, frame};
use crate::{
    access::Caller,
    api::{Api, extract::At, models::reference},
    error::ApiError,
    fleet::{Known, device},
    jobs::{self, JobState},
    registry::rows::{self, Stage},
};

pub(super) async fn list(caller: Caller, State(api): State<Api>) -> Result<Html<String>, ApiError> {
    let (rows, devices) = (api.registry.list().await?, api.store.read(device::all).await?);
    let rollouts = common::rollouts(&api).await?;
    let mut models: Vec<ModelRow> = Vec::new();
    for row in rows {
        let version = version_row(&row, &devices);
        match models.iter_mut().find(|model| model.name == version.name) {
            Some(model) => model.versions.push(version),
            None => models.push(ModelRow {
                name: version.name.clone(),
                quality: quality(&api, &version.name).await,
                markers: common::markers(&rollouts),
                versions: vec![version],
            }),
        }
    }
    let datasets = api.datasets.list().await?.into_iter().map(|row| DatasetRow {
        id: row.id,
        name: row.name,
        rows: row.rows,
        columns: row.columns.len(),
        created_ms: row.created_ms,
    });
    let page = ModelsPage {
        frame: frame(&api, &caller).await?,
        models,
        jobs: api.jobs.list().await?.into_iter().take(50).map(job).collect(),
        datasets: datasets.collect(),
    };
    Ok(Html(pages::models(&page)))
}

fn version_row(row: &rows::ModelRow, devices: &[Known]) -> VersionRow {
    let serving = |known: &&Known| known.serving(&row.model.name).as_ref() == Some(&row.model);
    let metrics = row.manifest.facts.get("metrics");
    let leading = ["roc_auc", "accuracy", "r2", "rmse"]
        .into_iter()
        .find_map(|name| Some((name.to_owned(), metrics?.get(name)?.as_f64()?)));
    VersionRow {
        name: row.model.name.to_string(),
        version: row.model.version.to_string(),
        stage: match row.stage {
            Stage::Candidate => views::Stage::Candidate,
            Stage::Release => views::Stage::Release,
            Stage::Rejected => views::Stage::Rejected,
        },
        champion: row.champion,
        compared: row.probe.get("compared").and_then(Value::as_bool).unwrap_or(false),
        created_ms: row.created_ms,
        bytes: row.length,
        devices: devices.iter().filter(serving).count(),
        metric: leading,
        origin: format!("from {}", row.origin),
    }
}

/// Share of right answers, by labels that came in, over the windows on the board.
async fn quality(api: &Api, name: &str) -> Series {
    let board = api.monitoring.board.read().await;
    let windows = board
        .versions(name)
        .flat_map(|(_, model)| model.devices.values())
        .flat_map(|device| device.history.iter());
    let mut sums: std::collections::BTreeMap<i64, (u64, u64)> = std::collections::BTreeMap::new();
    for window in windows.filter(|window| window.labels.count > 0) {
        let sum = sums.entry(window.start_ms.div_euclid(60_000) * 60_000).or_default();
        *sum = (sum.0 + window.labels.count, sum.1 + window.labels.errors);
    }
    let points = sums.into_iter().map(|(at, (n, errors))| (at, Some(1.0 - errors as f64 / n as f64)));
    Series { name: "accuracy".into(), points: points.collect() }
}

fn job(row: jobs::JobRow) -> JobRow {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let result = row.result.as_ref();
    let made: Option<dunlin_protocol::ModelRef> =
        result.and_then(|result| text(result, "model").parse().ok());
    let accuracy = |whose: &str| {
        ["accuracy", "rmse"]
            .iter()
            .find_map(|name| Some(format!("{name} {:.3}", result?.get(whose)?.get(name)?.as_f64()?)))
    };
    let summary = accuracy("metrics").map(|mine| {
        let against =
            |whose, words| accuracy(whose).map(|other| format!("; {words} {other}")).unwrap_or_default();
        format!("{mine}{}{}", against("baseline", "baseline"), against("champion", "champion"))
    });
    JobRow {
        subject: format!("{} from {}", text(&row.request, "model"), text(&row.request, "dataset_name")),
        state: match row.state {
            JobState::Queued => views::JobState::Queued,
            JobState::Running => views::JobState::Running,
            JobState::Done => views::JobState::Done,
            JobState::Failed => views::JobState::Failed,
        },
        result: made.map(|model| (model.name.to_string(), model.version.to_string())),
        summary,
        id: row.id,
        kind: row.kind,
        progress: row.progress,
        step: row.step,
        created_ms: row.created_ms,
        error: row.error,
    }
}

pub(super) async fn show(
    caller: Caller,
    State(api): State<Api>,
    At((name, version)): At<(String, String)>,
) -> Result<Html<String>, ApiError> {
    let row = api.registry.get(&reference(&name, &version)?).await?;
    let devices = api.store.read(device::all).await?;
    let rollouts =
        common::rollouts(&api).await?.into_iter().filter(|(stored, _)| stored.rollout.model == row.model);
    let spec = &row.manifest.spec;
    let page = ModelPage {
        frame: frame(&api, &caller).await?,
        version: version_row(&row, &devices),
        probe: Some(probe(&row.probe)),
        features: spec
            .features()
            .map(|feature| FeatureInput {
                name: feature.name.clone(),
                unit: feature.unit.clone(),
                range: feature.range.map(|[low, high]| (low, high)),
                categories: feature.categories.clone(),
            })
            .collect(),
        task: match spec.task {
            Task::Classification => "classification",
            Task::Regression => "regression",
            Task::Other => "other",
        }
        .into(),
        labels: spec.labels.clone(),
        metrics: metrics(&row),
        confusion: confusion(&row),
        target: Some((row.model.target().to_string(), row.sha256.clone())),
        rollouts: rollouts.map(|(_, row)| row).collect(),
        commands: Vec::new(),
        card: row.card,
    };
    Ok(Html(pages::model(&page)))
}

fn probe(report: &Value) -> Probe {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ok = |value: &Value| value.get("ok").and_then(Value::as_bool).unwrap_or(false);
    let checks = report.get("checks").and_then(Value::as_array).into_iter().flatten();
    let quantile = |name: &str| report.get("latency_us")?.get(name)?.as_f64();
    Probe {
        ok: ok(report),
        checks: checks
            .map(|check| ProbeCheck {
                name: text(check, "name"),
                ok: ok(check),
                detail: text(check, "detail"),
            })
            .collect(),
        latency_us: quantile("p50").zip(quantile("p99")),
        memory_bytes: report.get("memory_bytes").and_then(Value::as_u64),
    }
}

fn metrics(row: &rows::ModelRow) -> Vec<MetricRow> {
    let facts = &row.manifest.facts;
    let found = facts.get("metrics").and_then(Value::as_object).into_iter().flatten();
    let other = |whose: &str, name: &str| {
        let scores = facts.get(whose)?;
        scores.get("metrics").unwrap_or(scores).get(name)?.as_f64()
    };
    found
        .filter_map(|(name, value)| {
            Some(MetricRow {
                name: name.clone(),
                value: value.as_f64()?,
                baseline: other("baseline", name),
                champion: other("champion", name),
                lower_is_better: matches!(name.as_str(), "rmse" | "mae" | "log_loss"),
            })
        })
        .collect()
}

fn confusion(row: &rows::ModelRow) -> Option<Confusion> {
    let counts: Vec<Vec<u64>> = serde_json::from_value(row.manifest.facts.get("confusion")?.clone()).ok()?;
    let labels = row.manifest.spec.labels.clone();
    let square =
        !labels.is_empty() && counts.len() == labels.len() && counts.iter().all(|r| r.len() == labels.len());
    square.then_some(Confusion { labels, counts })
}
