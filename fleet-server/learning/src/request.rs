//! What is asked for: data, target, split, search.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_protocol::{ModelRef, spec::Task};
use serde::{Deserialize, Serialize};

use crate::TrainError;

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

/// Fewest and most folds.
const FOLDS: std::ops::RangeInclusive<usize> = 2..=20;

/// Most penalties that are tried.
const MAX_GRID: usize = 50;

impl TrainRequest {
    /// Whether the request makes sense by itself, whatever the data.
    ///
    /// # Errors
    /// [`TrainError::Request`] with the field, its value and what can be; [`TrainError::NoFeatures`].
    pub fn check(&self) -> Result<(), TrainError> {
        let wrong = |what, value: String, reason: &str| {
            Err(TrainError::Request { what, value, reason: reason.to_owned() })
        };
        let Split { kind, holdout, group } = &self.split;
        if !(*holdout > 0.0 && *holdout < 1.0) {
            let reason = "it is the share of rows kept for judging; give a number between 0 and 1";
            return wrong("split.holdout", holdout.to_string(), reason);
        }
        if *kind == SplitKind::Group && group.is_none() {
            let reason = "a split by group needs the column that names the device or subject";
            return wrong("split.group", "missing".into(), reason);
        }
        if group.as_ref() == Some(&self.target) {
            return wrong("split.group", format!("{group:?}"), "it is the target; name another column");
        }
        if !FOLDS.contains(&self.folds) {
            return wrong("folds", self.folds.to_string(), "give 2 to 20 folds");
        }
        if self.task == Some(Task::Other) {
            return wrong("task", "other".into(), "give classification or regression");
        }
        if let Some([from, to]) = self.rows.filter(|[from, to]| from >= to) {
            return wrong(
                "rows",
                format!("[{from}, {to}]"),
                "give the first row and one past the last, [from, to)",
            );
        }
        if let Some(penalties) = &self.penalties {
            let sound = |p: &f64| p.is_finite() && *p >= 0.0;
            if penalties.is_empty() || penalties.len() > MAX_GRID || !penalties.iter().all(sound) {
                return wrong("penalties", format!("{penalties:?}"), "give 1 to 50 numbers of at least 0");
            }
        }
        if let Some((name, [low, high])) =
            self.ranges.iter().find(|(_, [low, high])| low >= high || !(high - low).is_finite())
        {
            return wrong(
                "ranges",
                format!("{name:?}: [{low}, {high}]"),
                "give the lowest and a higher value",
            );
        }
        self.check_features()
    }

    fn check_features(&self) -> Result<(), TrainError> {
        let Some(names) = &self.features else { return Ok(()) };
        if names.is_empty() {
            return Err(TrainError::NoFeatures { target: self.target.clone() });
        }
        let mut seen = BTreeSet::new();
        for name in names {
            let reason = if *name == self.target {
                "it is the target; a model that is told the answer learns nothing"
            } else if !seen.insert(name) {
                "it stands twice"
            } else if self.split.kind == SplitKind::Group && self.split.group.as_ref() == Some(name) {
                "the groups of the hold-out are never in training, so it says nothing"
            } else {
                continue;
            };
            let (what, reason) = ("features", format!("{reason}; leave it out"));
            return Err(TrainError::Request { what, value: format!("{name:?}"), reason });
        }
        Ok(())
    }
}

fn default_holdout() -> f64 {
    0.2
}

fn default_folds() -> usize {
    5
}
