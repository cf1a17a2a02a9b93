//! `/models`, `/models/{name}/{version}`, and the training work shown beside them.

use super::{Command, Frame, Marker, RolloutRow, Series};

/// `/models`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelsPage {
    /// Heading and navigation.
    pub frame: Frame,
    /// One card per model name.
    pub models: Vec<ModelRow>,
    /// Jobs, newest first.
    pub jobs: Vec<JobRow>,
    /// Data sets that can be trained on, newest first.
    pub datasets: Vec<DatasetRow>,
}

/// A model with its versions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelRow {
    /// Name, for example `rain`.
    pub name: String,
    /// Versions, newest first.
    pub versions: Vec<VersionRow>,
    /// Accuracy (or error) by labels that came in, over time; no points where no labels came.
    pub quality: Series,
    /// Rollouts, marked on the time axis of `quality`.
    pub markers: Vec<Marker>,
}

/// How far a version came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// Probed, waits for the owner's signature.
    #[default]
    Candidate,
    /// Signed: devices accept it.
    Release,
    /// Failed its probe.
    Rejected,
}

/// One version of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VersionRow {
    /// Model name.
    pub name: String,
    /// Version.
    pub version: String,
    /// How far it came.
    pub stage: Stage,
    /// True for the one that new versions are measured against.
    pub champion: bool,
    /// False: "numbers not compared".
    pub compared: bool,
    /// When it came.
    pub created_ms: i64,
    /// Size of the bundle.
    pub bytes: u64,
    /// Devices that report to serve it.
    pub devices: usize,
    /// Its leading figure, for example `("roc_auc", 0.81)`.
    pub metric: Option<(String, f64)>,
    /// Where it comes from: `trained on weather_2001`, `pushed by admin`.
    pub origin: String,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JobState {
    /// Waits.
    #[default]
    Queued,
    /// Works.
    Running,
    /// Done.
    Done,
    /// Ended without a result.
    Failed,
}

/// One training job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobRow {
    /// Its id.
    pub id: String,
    /// What kind of work, for example `train`.
    pub kind: String,
    /// What it works on, for example `rain from weather_2001`.
    pub subject: String,
    /// Where it stands.
    pub state: JobState,
    /// Share done.
    pub progress: f64,
    /// The step in words.
    pub step: String,
    /// When it was asked for.
    pub created_ms: i64,
    /// The model it made, as `(name, version)`.
    pub result: Option<(String, String)>,
    /// One sentence about the result: metric, baseline, champion.
    pub summary: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A data set on the server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatasetRow {
    /// Its SHA-256.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Rows without the heading.
    pub rows: u64,
    /// Columns.
    pub columns: usize,
    /// When it came.
    pub created_ms: i64,
}

/// `/models/{name}/{version}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelPage {
    /// Heading and navigation.
    pub frame: Frame,
    /// What the list shows of it.
    pub version: VersionRow,
    /// What the agent found when it ran the bundle.
    pub probe: Option<Probe>,
    /// The features it takes.
    pub features: Vec<FeatureInput>,
    /// What it is for: `classification`, `regression`, …
    pub task: String,
    /// Labels of a classification.
    pub labels: Vec<String>,
    /// Figures on rows it has not seen.
    pub metrics: Vec<MetricRow>,
    /// Which labels it confuses, on rows it has not seen.
    pub confusion: Option<Confusion>,
    /// Name of the signed target, its SHA-256; shown for candidates too.
    pub target: Option<(String, String)>,
    /// The model card as written (Markdown), shown as text.
    pub card: String,
    /// Rollouts of this version, newest first.
    pub rollouts: Vec<RolloutRow>,
    /// What can be done with it.
    pub commands: Vec<Command>,
}

/// What `dunlin-agent probe` found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probe {
    /// Whether all checks passed.
    pub ok: bool,
    /// The checks, in order.
    pub checks: Vec<ProbeCheck>,
    /// Median and 99th percentile of a single inference on the server, microseconds.
    pub latency_us: Option<(f64, f64)>,
    /// Resident memory of the probe, bytes.
    pub memory_bytes: Option<u64>,
}

/// One check of a probe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeCheck {
    /// What was checked.
    pub name: String,
    /// Whether it passed.
    pub ok: bool,
    /// With which figures.
    pub detail: String,
}

/// One feature that a model takes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeatureInput {
    /// Name.
    pub name: String,
    /// Physical unit.
    pub unit: Option<String>,
    /// Values that are physically possible.
    pub range: Option<(f64, f64)>,
    /// Known categories of a text column.
    pub categories: Vec<String>,
}

/// A figure beside what it is measured against.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricRow {
    /// Name, for example `roc_auc`.
    pub name: String,
    /// This version.
    pub value: f64,
    /// The trivial model.
    pub baseline: Option<f64>,
    /// The champion on the same rows.
    pub champion: Option<f64>,
    /// True where smaller is better (RMSE).
    pub lower_is_better: bool,
}

/// Counts of true label (row) against answered label (column).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confusion {
    /// Labels, for rows and columns.
    pub labels: Vec<String>,
    /// `counts[truth][answer]`.
    pub counts: Vec<Vec<u64>>,
}
