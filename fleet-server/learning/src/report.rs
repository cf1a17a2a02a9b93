//! What training found out, as values for pages, tables and the bundle's facts.

use dunlin_protocol::{ModelRef, spec::Task};
use serde::{Deserialize, Serialize};

use crate::{dataset::Kind, metrics::Scores, request::TrainRequest};

/// How far training is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
    /// What is being done, in words.
    pub step: String,
    /// Best mean accuracy (labels) or RMSE (numbers) over folds so far.
    pub best: Option<f64>,
}

/// The champion's scores on the same hold-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChampionScores {
    /// Which model it is.
    pub model: ModelRef,
    /// Its scores.
    pub metrics: Scores,
}

/// One fold with the chosen penalty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// Rows it was fitted on.
    pub train_rows: usize,
    /// Rows it was judged on.
    pub test_rows: usize,
    /// Scores on the latter.
    pub metrics: Scores,
}

/// One point of the search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GridPoint {
    /// Penalty on squared weights, per row.
    pub penalty: f64,
    /// Mean over folds.
    pub metrics: Scores,
}

/// How many rows took part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Rows of the dataset.
    pub dataset: usize,
    /// Rows fitted on.
    pub train: usize,
    /// Rows judged on.
    pub holdout: usize,
    /// Rows left out for want of an answer.
    pub without_target: usize,
}

/// One feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Column name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Share of training rows without it, 0 to 1.
    pub missing: f64,
    /// Size of its weights, for scaled numbers and texts alike: the largest difference it makes between outputs
    /// for one standard deviation, or between two texts.
    pub weight: f64,
}

/// What training found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The request, so that the run can be repeated.
    pub request: TrainRequest,
    /// What was learnt.
    pub task: Task,
    /// Labels in the order of the probabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Scores on the hold-out.
    pub metrics: Scores,
    /// Scores of always answering the most frequent label, or the mean, of the training rows.
    pub baseline: Scores,
    /// Scores of the champion, where there is one.
    pub champion: Option<ChampionScores>,
    /// True when accuracy is higher, or RMSE lower, than the baseline's.
    pub better_than_baseline: bool,
    /// The same against the champion; `None` without one.
    pub better_than_champion: Option<bool>,
    /// Counts on the hold-out by true label (outer) and answered label (inner). Empty for numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<u64>>,
    /// Folds of the cross-validation with the chosen penalty.
    pub folds: Vec<Fold>,
    /// The penalties that were tried.
    pub grid: Vec<GridPoint>,
    /// The penalty chosen: lowest log-loss, or RMSE, over folds.
    pub penalty: f64,
    /// Rows that took part.
    pub rows: RowCounts,
    /// Features in the model's order.
    pub features: Vec<Feature>,
    /// What a person should look at.
    pub warnings: Vec<String>,
}
