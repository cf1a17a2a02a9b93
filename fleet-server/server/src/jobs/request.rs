//! What is asked of a training job.

use std::collections::BTreeMap;

use dunlin_learning::{Imputation, Split, TrainRequest};
use dunlin_protocol::{ModelName, ModelRef, ModelVersion, spec::Task};
use serde::{Deserialize, Serialize};

/// A training job as it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainJob {
    /// Dataset by id, beginning of an id, or name.
    pub dataset: String,
    /// Model name.
    #[schema(value_type = String)]
    pub model: ModelName,
    /// Version; without it, the next minor version after the highest there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub version: Option<ModelVersion>,
    /// Column that holds the true answer.
    pub target: String,
    /// Columns to learn from; without it, all but the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// How rows are held out: `{kind: "time"|"random"|"stratified"|"group", holdout: 0.2, group?}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub split: Split,
    /// Rows to use, `[from, to)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<usize>>)]
    pub rows: Option<[usize; 2]>,
    /// Folds of the cross-validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// Seed of every shuffle.
    #[serde(default)]
    pub seed: u64,
    /// What to learn: `classification` or `regression`; without it, the target decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub task: Option<Task>,
    /// What stands in for missing numbers: `median` or `mean`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub imputation: Imputation,
    /// Penalties on squared weights, per row, that are tried; a small grid without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalties: Option<Vec<f64>>,
    /// Units by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
    /// Physically possible values by column, `[low, high]`: what lies outside is a fault of the sensor.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Vec<f64>>)]
    pub ranges: BTreeMap<String, [f64; 2]>,
}

impl TrainJob {
    /// The trainer's request for this version, on a dataset of this name.
    pub fn request(&self, version: ModelVersion, dataset: &str) -> TrainRequest {
        let model = ModelRef { name: self.model.clone(), version };
        let mut request = TrainRequest::new(model, self.target.clone());
        request.features.clone_from(&self.features);
        request.split = self.split.clone();
        request.rows = self.rows;
        request.folds = self.folds.unwrap_or(request.folds);
        (request.seed, request.task, request.imputation) = (self.seed, self.task, self.imputation);
        request.penalties.clone_from(&self.penalties);
        request.units.clone_from(&self.units);
        request.ranges.clone_from(&self.ranges);
        request.dataset = Some(dataset.to_owned());
        request
    }
}
