//! The queue and the one worker.

use std::sync::Arc;

use dunlin_learning::TrainError;
use dunlin_protocol::ModelVersion;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    TrainJob,
    rows::{self, JobRow},
    train::{self, Hear},
};
use crate::{
    audit::Audit,
    clock::now_ms,
    data::{DatasetError, Datasets},
    error::{ApiError, chain},
    ingest::live::{Kind, Live},
    registry::Registry,
    storage::{Store, StoreError},
};

/// Steps of a job that may wait to be noted; a step beyond is not shown.
const STEPS: usize = 64;

/// Why a job was not queued or shown.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The dataset is not there.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A column is not in the dataset.
    #[error("column {column:?} is not in dataset {dataset}, which has {columns}")]
    Column {
        /// The column.
        column: String,
        /// The dataset's name.
        dataset: String,
        /// What it has.
        columns: String,
    },
    /// The settings cannot be.
    #[error(transparent)]
    Request(#[from] TrainError),
    /// Rows beyond the dataset's.
    #[error(
        "rows is [{from}, {to}], and dataset {dataset} has rows 0 to {rows}; give [from, to) within them"
    )]
    Rows {
        /// First row.
        from: usize,
        /// One past the last.
        to: usize,
        /// The dataset's name.
        dataset: String,
        /// How many it has.
        rows: u64,
    },
    /// There is no such job.
    #[error("there is no job {0:?}")]
    Unknown(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        let message = error.to_string();
        match error {
            JobError::Dataset(error) => error.into(),
            JobError::Column { .. } => {
                ApiError::refused("unknown-column", message, "correct the column's name")
            }
            JobError::Request(_) | JobError::Rows { .. } => {
                ApiError::refused("bad-settings", message, "correct the setting; nothing was queued")
            }
            JobError::Unknown(_) => ApiError::not_found("unknown-job", message, "see `GET /api/v1/jobs`"),
            JobError::Store(error) => error.into(),
        }
    }
}

/// The jobs of this server. Clones share them.
#[derive(Clone)]
pub struct Jobs {
    store: Store,
    registry: Registry,
    datasets: Datasets,
    live: Live,
    audit: Audit,
    news: Arc<Notify>,
}

impl Jobs {
    /// A queue whose worker has not begun.
    pub fn new(store: Store, registry: Registry, datasets: Datasets, live: Live, audit: Audit) -> Self {
        Self { store, registry, datasets, live, audit, news: Arc::default() }
    }

    /// Queues a training. What can be refused now is.
    ///
    /// # Errors
    /// [`JobError::Dataset`], [`JobError::Column`], [`JobError::Rows`] or [`JobError::Request`].
    pub async fn train(&self, job: TrainJob, who: &str) -> Result<String, JobError> {
        let dataset = self.datasets.find(&job.dataset).await?;
        job.request(ModelVersion::new(0, 0, 0), &dataset.name).check()?;
        if let Some([from, to]) = job.rows.filter(|[_, to]| *to as u64 > dataset.rows) {
            return Err(JobError::Rows { from, to, dataset: dataset.name, rows: dataset.rows });
        }
        let named = std::iter::once(&job.target)
            .chain(job.features.iter().flatten())
            .chain(&job.split.group)
            .chain(job.units.keys())
            .chain(job.ranges.keys());
        if let Some(column) = named.into_iter().find(|name| !dataset.columns.contains(name)) {
            let column = column.chars().take(100).collect();
            return Err(JobError::Column {
                column,
                dataset: dataset.name,
                columns: dataset.columns.join(", "),
            });
        }
        let id = format!("j{:08x}", rand::random::<u32>());
        let mut request = serde_json::to_value(&job).unwrap_or(Value::Null);
        if let Value::Object(fields) = &mut request {
            fields.insert("dataset".into(), dataset.id.into());
            fields.insert("dataset_name".into(), dataset.name.into());
            fields.insert("who".into(), who.into());
        }
        let (key, queued) = (id.clone(), request.clone());
        self.store.write(move |db| rows::queue(db, &key, "train", &queued, now_ms())).await?;
        self.audit.record(who, "training-asked", &id, request).await?;
        self.live.changed(Kind::Job, id.clone());
        self.news.notify_one();
        Ok(id)
    }

    /// All jobs, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> Result<Vec<JobRow>, JobError> {
        Ok(self.store.read(rows::list).await?)
    }

    /// One job.
    ///
    /// # Errors
    /// [`JobError::Unknown`] if there is none of that id.
    pub async fn find(&self, id: &str) -> Result<JobRow, JobError> {
        let key = id.to_owned();
        let found = self.store.read(move |db| rows::find(db, &key)).await?;
        found.ok_or_else(|| JobError::Unknown(id.chars().take(64).collect()))
    }

    /// Works through the queue until `stop`. A job that runs then is taken up at the next start.
    pub async fn run(self, stop: CancellationToken) {
        if let Err(error) = self.store.write(|db| rows::recover(db, now_ms())).await {
            tracing::error!(%error, "jobs of before the start could not be taken up");
        }
        while !stop.is_cancelled() {
            let taken = self.store.write(|db| rows::take(db)).await.unwrap_or_else(|error| {
                tracing::error!(%error, "the queue of jobs cannot be read");
                None
            });
            tokio::select! {
                () = stop.cancelled() => return,
                () = async {
                    match taken {
                        Some(job) => self.work(job).await,
                        None => self.news.notified().await,
                    }
                } => {}
            }
        }
    }

    async fn work(&self, job: JobRow) {
        self.live.changed(Kind::Job, job.id.clone());
        let (sender, mut steps) = mpsc::channel::<(f64, String)>(STEPS);
        let noting = {
            let (store, live, id) = (self.store.clone(), self.live.clone(), job.id.clone());
            async move {
                while let Some((share, step)) = steps.recv().await {
                    let key = id.clone();
                    if let Err(error) = store.write(move |db| rows::progress(db, &key, share, &step)).await {
                        tracing::warn!(%error, job.id = %id, "progress not noted");
                    }
                    live.changed(Kind::Job, id.clone());
                }
            }
        };
        // A step that finds the queue full is left out: the next one tells more.
        let hear: Hear = Arc::new(move |share, step| drop(sender.try_send((share, step))));
        let (outcome, ()) = tokio::join!(self.perform(&job, hear), noting);
        match &outcome {
            Ok(_) => tracing::info!(job.id = %job.id, "job done"),
            Err(error) => tracing::warn!(job.id = %job.id, error, "job failed"),
        }
        let key = job.id.clone();
        if let Err(error) = self.store.write(move |db| rows::end(db, &key, &outcome, now_ms())).await {
            tracing::error!(error = chain(&error), job.id = %job.id, "the end of a job could not be stored");
        }
        self.live.changed(Kind::Job, job.id.clone());
        self.live.changed(Kind::Model, job.id);
    }

    async fn perform(&self, job: &JobRow, hear: Hear) -> Result<Value, String> {
        let mut request = job.request.clone();
        let who = format!("job {}", job.id);
        if let Value::Object(fields) = &mut request {
            fields.remove("dataset_name");
            fields.remove("who");
        }
        let request: TrainJob = serde_json::from_value(request)
            .map_err(|error| format!("the stored request cannot be read: {error}"))?;
        train::train(request, &who, &self.registry, &self.datasets, hear).await
    }
}
