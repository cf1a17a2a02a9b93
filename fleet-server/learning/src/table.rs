//! The request met with the data: which columns are features, what the target means, which rows count.

use std::collections::BTreeSet;

use dunlin_protocol::spec::Task;

use crate::{
    TrainError, TrainRequest,
    dataset::{Column, Dataset, Kind, Values},
    request::SplitKind,
};

/// Most labels that are learnt.
pub(crate) const MAX_LABELS: usize = 100;

/// Up to this many different whole numbers are labels when the request does not say.
const FEW_WHOLE_NUMBERS: usize = 20;

/// Whole numbers that a double holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The answers to learn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    /// Labels and, per row of the table, the index of its label.
    Labels { labels: Vec<String>, integers: bool, indices: Vec<usize> },
    /// Numbers per row.
    Numbers(Vec<f64>),
}

/// The columns and rows that training sees. Rows without an answer are gone.
#[derive(Debug)]
pub(crate) struct Table {
    pub features: Vec<Column>,
    pub target: Target,
    /// Group of each row, where the split is by group.
    pub groups: Option<Vec<String>>,
    /// Index of each row in the dataset.
    pub origin: Vec<usize>,
    /// Rows left out for want of an answer.
    pub without_target: usize,
}

impl Table {
    pub fn rows(&self) -> usize {
        self.origin.len()
    }

    pub fn new(data: &Dataset, request: &TrainRequest) -> Result<Self, TrainError> {
        request.check()?;
        let target = column(data, "target", &request.target)?;
        let [from, to] = request.rows.unwrap_or([0, data.rows()]);
        if from >= to || to > data.rows() {
            return Err(TrainError::Request {
                what: "rows",
                value: format!("[{from}, {to}]"),
                reason: format!("the dataset has rows 0 to {}; give [from, to) within them", data.rows()),
            });
        }
        let group = match (request.split.kind, &request.split.group) {
            (SplitKind::Group, Some(name)) => Some(column(data, "group", name)?),
            _ => None,
        };
        let features = features(data, request)?;
        let origin: Vec<usize> = (from..to).filter(|row| !target.values.is_missing(*row)).collect();
        let needed = 2 * (request.folds + 1);
        if origin.len() < needed {
            let target = request.target.clone();
            return Err(TrainError::TooFewRows { target, found: origin.len(), needed });
        }
        let data_of = |wanted: Vec<Column>| Dataset::from_columns(wanted).map(|part| part.select(&origin));
        let wrong = |error: crate::dataset::DataError| TrainError::Write(error.to_string());
        let answers = data_of(vec![target.clone()]).map_err(wrong)?;
        let groups = group.map(|column| origin.iter().map(|row| text(&column.values, *row)).collect());
        let features = data_of(features).map_err(wrong)?.columns().to_vec();
        let target = read_target(&answers.columns()[0], request)?;
        let without_target = to - from - origin.len();
        Ok(Self { features, target, groups, origin, without_target })
    }
}

fn column<'a>(data: &'a Dataset, role: &'static str, name: &str) -> Result<&'a Column, TrainError> {
    data.column(name).ok_or_else(|| {
        let names: Vec<&str> = data.columns().iter().map(|column| column.name.as_str()).collect();
        TrainError::UnknownColumn { role, name: name.to_owned(), available: names.join(", ") }
    })
}

fn features(data: &Dataset, request: &TrainRequest) -> Result<Vec<Column>, TrainError> {
    let group = request.split.group.as_deref();
    let chosen: Vec<Column> = match &request.features {
        Some(names) => {
            names.iter().map(|name| column(data, "feature", name).cloned()).collect::<Result<_, _>>()?
        }
        None => {
            let others = |c: &&Column| c.name != request.target && Some(c.name.as_str()) != group;
            data.columns().iter().filter(others).cloned().collect()
        }
    };
    if chosen.is_empty() {
        return Err(TrainError::NoFeatures { target: request.target.clone() });
    }
    Ok(chosen)
}

/// A cell as text; whole numbers without a fraction.
fn text(values: &Values, row: usize) -> String {
    match values {
        Values::Numbers(values) => values.get(row).map(f64::to_string).unwrap_or_default(),
        Values::Texts(values) => values.get(row).cloned().unwrap_or_default(),
    }
}

fn read_target(column: &Column, request: &TrainRequest) -> Result<Target, TrainError> {
    let integers = match &column.values {
        Values::Numbers(values) => values.iter().all(|v| v.fract() == 0.0 && v.abs() < EXACT),
        Values::Texts(_) => false,
    };
    let labels = distinct(&column.values);
    let task = request.task.unwrap_or(match column.kind() {
        Kind::Text => Task::Classification,
        Kind::Number if integers && labels.len() <= FEW_WHOLE_NUMBERS => Task::Classification,
        Kind::Number => Task::Regression,
    });
    match (task, &column.values) {
        (Task::Regression, Values::Numbers(values)) => Ok(Target::Numbers(values.clone())),
        (Task::Classification, values) => {
            if labels.len() < 2 || labels.len() > MAX_LABELS {
                let (target, found) = (request.target.clone(), labels.len());
                return Err(TrainError::Labels { target, found, most: MAX_LABELS });
            }
            let index = |row| labels.iter().position(|label| *label == text(values, row)).unwrap_or(0);
            let indices = (0..values.len()).map(index).collect();
            Ok(Target::Labels { labels, integers, indices })
        }
        (task, _) => Err(TrainError::Request {
            what: "task",
            value: format!("{task:?}"),
            reason: format!(
                "the target {:?} does not allow it; numbers can be regressed, anything else classified",
                column.name
            ),
        }),
    }
}

/// Different values, numbers by size, texts by the alphabet.
fn distinct(values: &Values) -> Vec<String> {
    match values {
        Values::Numbers(values) => {
            // `+ 0.0` makes -0.0 the same label as 0.0.
            let mut sorted: Vec<f64> = values.iter().map(|v| v + 0.0).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted.dedup();
            sorted.iter().map(f64::to_string).collect()
        }
        Values::Texts(values) => values.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect(),
    }
}
