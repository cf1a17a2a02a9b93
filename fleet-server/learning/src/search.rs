//! Cross-validation over a small grid of penalties.

use std::ops::ControlFlow;

use crate::{
    TrainError,
    metrics::{self, Scores},
    pipeline::{Answers, Pipeline},
    report::{Fold, GridPoint, Progress},
    request::TrainRequest,
    split::Parts,
    table::{Table, Target},
};

/// Penalties per row that are tried unless the request names others.
const GRID: [f64; 4] = [1e-5, 1e-3, 1e-2, 1e-1];

/// Hears of each step and may stop the work.
pub(crate) type Listener<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Counts steps and passes them on.
pub(crate) struct Steps<'a> {
    listener: Listener<'a>,
    done: usize,
    total: usize,
    best: Option<f64>,
}

impl<'a> Steps<'a> {
    pub fn new(listener: Listener<'a>, total: usize) -> Self {
        Self { listener, done: 0, total, best: None }
    }

    /// Tells what begins now; `done` steps lie behind.
    pub fn begin(&mut self, step: String) -> Result<(), TrainError> {
        let (done, total) = (self.done, self.total);
        match (self.listener)(Progress { done, total, step, best: self.best }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(TrainError::Cancelled { done, total }),
        }
    }

    pub fn finish(&mut self) {
        self.done += 1;
    }
}

/// What the search found.
pub(crate) struct Found {
    pub penalty: f64,
    pub grid: Vec<GridPoint>,
    pub folds: Vec<Fold>,
}

/// The penalties to try.
pub(crate) fn penalties(request: &TrainRequest) -> Vec<f64> {
    request.penalties.clone().unwrap_or_else(|| GRID.to_vec())
}

/// Tries every penalty on every fold. A penalty with which a fit fails is left out; if all fail, the last error
/// stands.
pub(crate) fn search(
    table: &Table,
    folds: &[Parts],
    request: &TrainRequest,
    penalties: &[f64],
    steps: &mut Steps<'_>,
) -> Result<Found, TrainError> {
    let mut best: Option<(f64, Found)> = None;
    let mut grid = Vec::new();
    let mut failure = None;
    for penalty in penalties {
        let mut judged = Vec::new();
        for (index, parts) in folds.iter().enumerate() {
            steps.begin(format!("penalty {penalty}, fold {} of {}", index + 1, folds.len()))?;
            steps.finish();
            match Pipeline::fit(table, &parts.train, request.imputation, *penalty) {
                Ok(pipeline) => {
                    let (metrics, _) = judge(table, &pipeline, &parts.test);
                    let (train_rows, test_rows) = (parts.train.len(), parts.test.len());
                    judged.push(Fold { train_rows, test_rows, metrics });
                }
                Err(error @ TrainError::Fit { .. }) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        if judged.len() < folds.len() {
            continue;
        }
        let metrics = mean(&judged);
        grid.push(GridPoint { penalty: *penalty, metrics: metrics.clone() });
        let loss = metrics.get("log_loss").or(metrics.get("rmse")).copied().unwrap_or(f64::INFINITY);
        if best.as_ref().is_none_or(|(lowest, _)| loss < *lowest) {
            steps.best = metrics.get("accuracy").or(metrics.get("rmse")).copied();
            best = Some((loss, Found { penalty: *penalty, grid: Vec::new(), folds: judged }));
        }
    }
    match (best, failure) {
        (Some((_, found)), _) => Ok(Found { grid, ..found }),
        (None, Some(error)) => Err(error),
        (None, None) => Err(TrainError::Fit { penalty: 0.0, reason: "no fold could be judged".into() }),
    }
}

/// Scores of a pipeline on some rows, and its answers.
pub(crate) fn judge(table: &Table, pipeline: &Pipeline, rows: &[usize]) -> (Scores, Answers) {
    let labels = matches!(table.target, Target::Labels { .. });
    let answers = pipeline.answer(&table.features, rows, labels);
    let scores = match (&answers, &table.target) {
        (Answers::Labels { indices, probabilities }, Target::Labels { labels, indices: truth, .. }) => {
            let truth: Vec<usize> = rows.iter().map(|row| truth[*row]).collect();
            metrics::classification(&truth, indices, Some(probabilities), labels.len())
        }
        (Answers::Numbers(values), Target::Numbers(truth)) => {
            let truth: Vec<f64> = rows.iter().map(|row| truth[*row]).collect();
            let values: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
            metrics::regression(&truth, &values)
        }
        _ => Scores::new(),
    };
    (scores, answers)
}

/// Mean of each metric over the folds that have it.
fn mean(folds: &[Fold]) -> Scores {
    let mut sums: std::collections::BTreeMap<&str, (f64, f64)> = Default::default();
    for (name, value) in folds.iter().flat_map(|fold| &fold.metrics) {
        let (sum, count) = sums.entry(name).or_default();
        (*sum, *count) = (*sum + value, *count + 1.0);
    }
    sums.into_iter().map(|(name, (sum, count))| (name.to_owned(), sum / count)).collect()
}
