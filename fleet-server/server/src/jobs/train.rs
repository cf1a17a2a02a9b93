//! One training: dataset, champion's score on the same hold-out, fit, the registry's gate.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use dunlin_learning::{Champion, ChampionAnswers, Dataset, Progress, Scores, TrainRequest};
use dunlin_protocol::ModelVersion;
use serde_json::{Value, json};

use super::TrainJob;
use crate::{
    data::Datasets,
    error::chain,
    registry::{
        Registry, Upload,
        intake::scratch,
        rows::{ModelRow, Stage},
    },
};

/// Hears how far a training is: share done, step in words.
pub type Hear = Arc<dyn Fn(f64, String) + Send + Sync>;

/// Trains, and leaves a candidate in the registry. `Err` is a sentence for people.
pub async fn train(
    job: TrainJob,
    who: &str,
    registry: &Registry,
    datasets: &Datasets,
    hear: Hear,
) -> Result<Value, String> {
    let row = datasets.find(&job.dataset).await.map_err(|error| chain(&error))?;
    hear(0.0, format!("reading {}", row.name));
    let data = Arc::new(datasets.load(&row).await.map_err(|error| chain(&error))?);
    let version = match &job.version {
        Some(version) => version.clone(),
        None => next_version(registry, &job).await?,
    };
    let request = job.request(version, &row.name);
    let known = registry.find(&request.model).await.map_err(|error| chain(&error))?;
    if known.is_some_and(|known| known.stage != Stage::Rejected) {
        return Err(format!("{} is here already; leave the version out to get the next one", request.model));
    }
    let champion = match registry.champion(job.model.as_str()).await.map_err(|error| chain(&error))? {
        Some(row) => {
            hear(0.02, format!("scoring the champion {} on the hold-out", row.model));
            score(registry, row, Arc::clone(&data), request.clone()).await?
        }
        None => None,
    };
    let (bundle, report) = fit(data, request, champion, Arc::clone(&hear)).await?;
    hear(0.95, "probing the bundle".into());
    let pushed = registry.push(Upload::bundle(bundle), &[], who).await.map_err(|error| chain(&error))?;
    if pushed.stage == Stage::Rejected {
        return Err(format!("{} was trained, and failed its probe: {}", pushed.model, pushed.probe));
    }
    let mut result = serde_json::to_value(&report).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut result {
        fields.insert("model".into(), json!(pushed.model.to_string()));
        fields.insert("stage".into(), json!(pushed.stage));
        // Metrics, baseline and champion stand side by side: scores by name.
        let champion = report.champion.as_ref();
        fields.insert("champion".into(), json!(champion.map(|champion| &champion.metrics)));
        fields.insert("champion_model".into(), json!(champion.map(|champion| champion.model.to_string())));
    }
    Ok(result)
}

/// One minor version after the highest there is; 1.0.0 for the first.
async fn next_version(registry: &Registry, job: &TrainJob) -> Result<ModelVersion, String> {
    let rows = registry.list().await.map_err(|error| chain(&error))?;
    let versions = rows.into_iter().map(|row| row.model).filter(|model| model.name == job.model);
    let highest = versions.map(|model| model.version).max();
    Ok(highest.map_or_else(|| ModelVersion::new(1, 0, 0), |version| version.next_minor()))
}

/// The champion's scores on the very rows that the new model is judged on, by the agent in a child process. A
/// champion that cannot answer them (another target, other columns) is no competitor, and the log says why.
async fn score(
    registry: &Registry,
    row: ModelRow,
    data: Arc<Dataset>,
    request: TrainRequest,
) -> Result<Option<Champion>, String> {
    if row.manifest.spec.target.as_deref().is_some_and(|target| target != request.target) {
        tracing::warn!(model = %row.model, target = %request.target, "the champion answers another question");
        return Ok(None);
    }
    let held = tokio::task::spawn_blocking(move || {
        dunlin_learning::holdout(&data, &request).map(|rows| rows.write_csv())
    });
    let rows = held.await.map_err(|error| error.to_string())?.map_err(|error| chain(&error))?;
    let bundle = registry.objects().bytes(&row.sha256).await.map_err(|error| chain(&error))?;
    let bundle = scratch(&bundle, ".dunlin").await.map_err(|error| chain(&error))?;
    let rows = scratch(&Bytes::from(rows), ".csv").await.map_err(|error| chain(&error))?;
    let verdict =
        registry.prober().probe(bundle.path(), Some(rows.path())).await.map_err(|error| chain(&error))?;
    let metrics = verdict.report.pointer("/holdout/metrics").cloned().unwrap_or(Value::Null);
    match serde_json::from_value::<Scores>(metrics) {
        Ok(scores) if !scores.is_empty() => {
            Ok(Some(Champion { model: row.model, answers: ChampionAnswers::Scores(scores) }))
        }
        _ => {
            tracing::warn!(model = %row.model, report = %verdict.report, "the champion could not be scored");
            Ok(None)
        }
    }
}

async fn fit(
    data: Arc<Dataset>,
    request: TrainRequest,
    champion: Option<Champion>,
    hear: Hear,
) -> Result<(Bytes, dunlin_learning::Report), String> {
    let work = tokio::task::spawn_blocking(move || {
        let mut tell = |progress: Progress| {
            let share = progress.done as f64 / progress.total.max(1) as f64;
            hear(0.05 + 0.9 * share, progress.step);
            ControlFlow::Continue(())
        };
        let trained =
            dunlin_learning::train(&data, &request, champion.as_ref(), &mut tell).map_err(|e| chain(&e))?;
        let bytes = trained.bundle.write().map_err(|error| chain(&error))?;
        Ok((Bytes::from(bytes), trained.report))
    });
    work.await.map_err(|error| format!("the trainer crashed: {error}"))?
}
