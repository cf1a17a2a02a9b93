//! The whole way from a dataset and a request to a bundle.

use std::ops::ControlFlow;

use dunlin_protocol::{bundle::Bundle, spec::Task};

use crate::{
    TrainError,
    compare::{self, Champion},
    dataset::{Dataset, Values},
    findings,
    metrics::{confusion, is_better},
    onnx::Names,
    package,
    pipeline::{Answers, Pipeline},
    preprocessing::Preprocessing,
    report::{Progress, Report, RowCounts},
    request::TrainRequest,
    search::{Steps, judge, penalties, search},
    split::{self, Parts},
    table::{Table, Target},
};

/// A trained model and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The model with everything that travels with it, unsigned.
    pub bundle: Bundle,
    /// How good it is.
    pub report: Report,
}

/// Trains, judges and packs a model. The same dataset, request and champion give the same bytes.
///
/// `progress` hears of each step before it begins; when it breaks, training stops with
/// [`TrainError::Cancelled`]. The model is fitted on the training part only, so its scores on the hold-out are
/// those of the very model in the bundle.
///
/// # Errors
/// When request and data do not fit, there are too few rows or labels, or the solver fails.
pub fn train(
    data: &Dataset,
    request: &TrainRequest,
    champion: Option<&Champion>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Trained, TrainError> {
    let (table, parts) = prepare(data, request)?;
    let grid = penalties(request);
    let folds = split::folds(&table, &parts.train, request);
    let mut steps = Steps::new(progress, grid.len() * folds.len() + 3);
    let found = search(&table, &folds, request, &grid, &mut steps)?;

    steps.begin(format!("fitting on {} rows with penalty {}", parts.train.len(), found.penalty))?;
    let pipeline = Pipeline::fit(&table, &parts.train, request.imputation, found.penalty)?;
    steps.finish();

    steps.begin(format!("judging on {} rows", parts.test.len()))?;
    let (metrics, answers) = judge(&table, &pipeline, &parts.test);
    let baseline = compare::baseline(&table, &parts.train, &parts.test);
    let champion = champion.map(|champion| compare::score(champion, &table, &parts.test)).transpose()?;
    let (task, labels, confusion) = match (&table.target, &answers) {
        (Target::Labels { labels, indices, .. }, Answers::Labels { indices: answered, .. }) => {
            let truth: Vec<usize> = parts.test.iter().map(|row| indices[*row]).collect();
            (Task::Classification, labels.clone(), confusion(&truth, answered, labels.len()))
        }
        _ => (Task::Regression, Vec::new(), Vec::new()),
    };
    let mut report = Report {
        request: request.clone(),
        task,
        labels,
        better_than_baseline: is_better(&metrics, &baseline).unwrap_or(false),
        better_than_champion: champion.as_ref().and_then(|other| is_better(&metrics, &other.metrics)),
        metrics,
        baseline,
        champion,
        confusion,
        folds: found.folds,
        grid: found.grid,
        penalty: found.penalty,
        rows: RowCounts {
            dataset: data.rows(),
            train: parts.train.len(),
            holdout: parts.test.len(),
            without_target: table.without_target,
        },
        features: findings::features(&table, &pipeline, &parts.train),
        warnings: Vec::new(),
    };
    report.warnings = findings::warnings(&table, &parts, &report);
    steps.finish();

    steps.begin("packing the bundle".to_owned())?;
    let bundle = package::pack(&table, &pipeline, &parts, &answers, &report)?;
    steps.finish();
    Ok(Trained { bundle, report })
}

/// The rows that nothing is fitted on, in the order in which a champion has to answer them: every column of the
/// dataset, the target included.
///
/// # Errors
/// As [`train`], before any fit.
pub fn holdout(data: &Dataset, request: &TrainRequest) -> Result<Dataset, TrainError> {
    let (table, parts) = prepare(data, request)?;
    let rows: Vec<usize> = parts.test.iter().map(|row| table.origin[*row]).collect();
    Ok(data.select(&rows))
}

fn prepare(data: &Dataset, request: &TrainRequest) -> Result<(Table, Parts), TrainError> {
    let mut table = Table::new(data, request)?;
    let parts = split::hold_out(&table, request)?;
    let empty = |values: &Values| parts.train.iter().all(|row| values.is_missing(*row));
    if request.features.is_some()
        && let Some(column) = table.features.iter().find(|column| empty(&column.values))
    {
        return Err(TrainError::EmptyFeature { name: column.name.clone(), rows: parts.train.len() });
    }
    table.features.retain(|column| !empty(&column.values));
    if table.features.is_empty() {
        return Err(TrainError::NoFeatures { target: request.target.clone() });
    }
    if let Target::Labels { labels, indices, .. } = &table.target {
        let first = indices[parts.train[0]];
        if parts.train.iter().all(|row| indices[*row] == first) {
            let (target, most) = (request.target.clone(), crate::table::MAX_LABELS);
            return Err(TrainError::Labels { target, found: 1.min(labels.len()), most });
        }
    }
    if let Some(column) = table.features.iter().find(|column| Names::is_taken(&column.name)) {
        return Err(TrainError::Request {
            what: "features",
            value: format!("{:?}", column.name),
            reason: "the model's own outputs have this name; rename the column".into(),
        });
    }
    // What cannot be prepared on all training rows is told at once, and not in the middle of the search.
    Preprocessing::fit(&table.features, &parts.train, request.imputation)?;
    Ok((table, parts))
}
