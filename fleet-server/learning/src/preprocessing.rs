//! From columns to a matrix: imputation, scaling, one-hot. Fitted on training rows, applied in single precision,
//! because that is what devices compute.

use std::collections::BTreeMap;

use ndarray::Array2;

use crate::{
    TrainError,
    dataset::{Column, Values},
    request::Imputation,
};

/// Most texts of a column that become features.
pub(crate) const MAX_CATEGORIES: usize = 200;

/// What was learnt of a number column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// Stands in for a missing value.
    pub fill: f32,
    /// Mean of the training rows after filling.
    pub mean: f32,
    /// Standard deviation of the training rows after filling; 1 for a constant column.
    pub deviation: f32,
}

/// What was learnt of one feature.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Number(Scale),
    /// Known texts, in alphabetical order. A missing or unknown text is none of them.
    Text(Vec<String>),
}

/// One step per feature, in the features' order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Preprocessing {
    pub steps: Vec<Step>,
}

impl Preprocessing {
    pub fn fit(features: &[Column], rows: &[usize], imputation: Imputation) -> Result<Self, TrainError> {
        let steps = features
            .iter()
            .map(|column| match &column.values {
                Values::Numbers(values) => {
                    fit_number(&column.name, values, rows, imputation).map(Step::Number)
                }
                Values::Texts(values) => fit_text(&column.name, values, rows).map(Step::Text),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { steps })
    }

    /// Columns of the matrix: one per number column, then one per known text of each text column.
    pub fn width(&self) -> usize {
        self.steps.iter().map(|step| if let Step::Text(known) = step { known.len() } else { 1 }).sum()
    }

    /// The matrix of these rows, numbers first, then texts: the order of the ONNX graph.
    pub fn apply(&self, features: &[Column], rows: &[usize]) -> Array2<f32> {
        let mut matrix = Array2::zeros((rows.len(), self.width()));
        let mut at = 0;
        for (step, column) in self.steps.iter().zip(features) {
            if let (Step::Number(scale), Values::Numbers(values)) = (step, &column.values) {
                for (cell, row) in matrix.column_mut(at).iter_mut().zip(rows) {
                    let value = values[*row] as f32;
                    let value = if value.is_nan() { scale.fill } else { value };
                    *cell = (value - scale.mean) / scale.deviation;
                }
                at += 1;
            }
        }
        for (step, column) in self.steps.iter().zip(features) {
            if let (Step::Text(known), Values::Texts(values)) = (step, &column.values) {
                for (index, row) in rows.iter().enumerate() {
                    if let Ok(category) = known.binary_search(&values[*row]) {
                        matrix[(index, at + category)] = 1.0;
                    }
                }
                at += known.len();
            }
        }
        matrix
    }
}

fn fit_number(
    name: &str,
    values: &[f64],
    rows: &[usize],
    imputation: Imputation,
) -> Result<Scale, TrainError> {
    let mut seen: Vec<f64> = rows.iter().map(|row| values[*row]).filter(|v| v.is_finite()).collect();
    if seen.is_empty() {
        // A sensor that came later than this fold; it says nothing here.
        return Ok(Scale { fill: 0.0, mean: 0.0, deviation: 1.0 });
    }
    let fill = match imputation {
        Imputation::Mean => seen.iter().sum::<f64>() / seen.len() as f64,
        Imputation::Median => {
            seen.sort_unstable_by(f64::total_cmp);
            let middle = seen.len() / 2;
            if seen.len() % 2 == 1 { seen[middle] } else { f64::midpoint(seen[middle - 1], seen[middle]) }
        }
    };
    let filled = || rows.iter().map(|row| values[*row]).map(|v| if v.is_nan() { fill } else { v });
    let mean = filled().sum::<f64>() / rows.len() as f64;
    let variance = filled().map(|v| (v - mean).powi(2)).sum::<f64>() / rows.len() as f64;
    // Below the resolution of single precision a spread is rounding, not signal.
    let constant = variance.sqrt() <= mean.abs() * f64::from(f32::EPSILON);
    let deviation = if constant { 1.0 } else { variance.sqrt() };
    let (fill, mean, deviation) = (fill as f32, mean as f32, deviation as f32);
    if !(fill.is_finite() && mean.is_finite() && deviation.is_finite() && deviation > 0.0) {
        return Err(TrainError::Request {
            what: "features",
            value: format!("{name:?}"),
            reason: "its values are beyond single precision (3e38), which devices compute in; rescale it"
                .into(),
        });
    }
    Ok(Scale { fill, mean, deviation })
}

fn fit_text(name: &str, values: &[String], rows: &[usize]) -> Result<Vec<String>, TrainError> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in rows.iter().map(|row| values[*row].as_str()).filter(|text| !text.is_empty()) {
        *counts.entry(text).or_default() += 1;
    }
    if counts.len() > MAX_CATEGORIES {
        let (name, found) = (name.to_owned(), counts.len());
        return Err(TrainError::Categories { name, found, most: MAX_CATEGORIES });
    }
    Ok(counts.into_keys().map(str::to_owned).collect())
}
