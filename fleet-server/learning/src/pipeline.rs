//! Preprocessing and estimator as one: what becomes the ONNX graph.

use ndarray::Array2;

use crate::{
    TrainError,
    dataset::Column,
    linear::{Linear, argmax},
    preprocessing::Preprocessing,
    request::Imputation,
    table::{Table, Target},
};

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pipeline {
    pub preprocessing: Preprocessing,
    pub linear: Linear,
}

/// Answers to some rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answers {
    /// Index of the label and the probabilities, `[rows, labels]`.
    Labels { indices: Vec<usize>, probabilities: Array2<f32> },
    /// Numbers.
    Numbers(Vec<f32>),
}

impl Pipeline {
    /// Fits on the given rows of the table and on nothing else.
    pub fn fit(
        table: &Table,
        rows: &[usize],
        imputation: Imputation,
        penalty: f64,
    ) -> Result<Self, TrainError> {
        let preprocessing = Preprocessing::fit(&table.features, rows, imputation)?;
        let x = preprocessing.apply(&table.features, rows);
        let linear = match &table.target {
            Target::Labels { labels, indices, .. } => {
                let y: Vec<usize> = rows.iter().map(|row| indices[*row]).collect();
                Linear::fit_labels(&x, &y, labels.len(), penalty)?
            }
            Target::Numbers(values) => {
                let y: Vec<f64> = rows.iter().map(|row| values[*row]).collect();
                Linear::fit_numbers(&x, &y, penalty)?
            }
        };
        Ok(Self { preprocessing, linear })
    }

    /// Answers rows of columns that are those it was fitted on.
    pub fn answer(&self, features: &[Column], rows: &[usize], labels: bool) -> Answers {
        let x = self.preprocessing.apply(features, rows);
        if labels {
            let probabilities = self.linear.probabilities(&x);
            let indices = probabilities.rows().into_iter().map(|row| argmax(&row.to_vec())).collect();
            Answers::Labels { indices, probabilities }
        } else {
            Answers::Numbers(self.linear.scores(&x).into_iter().collect())
        }
    }
}
