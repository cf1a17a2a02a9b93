//! What is asked of a training job.

use dunlin_learning::{Split, TrainRequest};
use dunlin_protocol::{ModelName, ModelRef, ModelVersion};
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
        request.seed = self.seed;
        request.dataset = Some(dataset.to_owned());
        request
    }
}
