//! What is asked for: data, target, split, search.

use std::collections::BTreeMap;

use dunlin_protocol::{ModelRef, spec::Task};
use serde::{Deserialize, Serialize};

/// Which rows are held out, and how folds are cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// Rows stand in time order; the last ones are held out and folds only look back.
    #[default]
    Time,
    /// Rows are shuffled.
    Random,
    /// Rows are shuffled within each label, so that shares of labels stay.
    Stratified,
    /// All rows of a device or subject stay on one side.
    Group,
}

/// How rows are split into training and hold-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Which rows.
    #[serde(default)]
    pub kind: SplitKind,
    /// Share of rows held out, between 0 and 1.
    #[serde(default = "default_holdout")]
    pub holdout: f64,
    /// Column that names the device or subject, for [`SplitKind::Group`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Default for Split {
    fn default() -> Self {
        Self { kind: SplitKind::default(), holdout: default_holdout(), group: None }
    }
}

/// What stands in for a missing number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Imputation {
    /// The median of the training rows.
    #[default]
    Median,
    /// The mean of the training rows.
    Mean,
}

/// A training job. Everything but model and target has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainRequest {
    /// Name and version of the model to make.
    pub model: ModelRef,
    /// Column that holds the true answer.
    pub target: String,
    /// What to learn; `None` decides by the target: texts or at most 20 different whole numbers are labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// Columns to learn from; `None` takes all but target and group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// How rows are split.
    #[serde(default)]
    pub split: Split,
    /// Rows to use, `[from, to)` counted from 0; `None` takes all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<[usize; 2]>,
    /// Folds of the cross-validation, 2 to 20.
    #[serde(default = "default_folds")]
    pub folds: usize,
    /// Seed of every shuffle.
    #[serde(default)]
    pub seed: u64,
    /// What stands in for missing numbers.
    #[serde(default)]
    pub imputation: Imputation,
    /// Penalties on squared weights, per row, that are tried; `None` tries a small grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalties: Option<Vec<f64>>,
    /// Units by column; a column that is not named has the unit of its suffix, such as `_hpa`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
    /// Physically possible values by column, `[low, high]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ranges: BTreeMap<String, [f64; 2]>,
    /// Where the rows come from, for the model card; never interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
}

impl TrainRequest {
    /// A request with all defaults: time split, a fifth held out, five folds.
    pub fn new(model: ModelRef, target: impl Into<String>) -> Self {
        Self {
            model,
            target: target.into(),
            task: None,
            features: None,
            split: Split::default(),
            rows: None,
            folds: default_folds(),
            seed: 0,
            imputation: Imputation::default(),
            penalties: None,
            units: BTreeMap::new(),
            ranges: BTreeMap::new(),
            dataset: None,
        }
    }
}

fn default_holdout() -> f64 {
    0.2
}

fn default_folds() -> usize {
    5
}
