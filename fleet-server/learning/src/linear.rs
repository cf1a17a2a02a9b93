//! The linear family: logistic and ridge regression, fitted by `linfa`, answered in single precision.

use linfa::{DatasetBase, traits::Fit};
use linfa_linear::LinearRegression;
use linfa_logistic::{LogisticRegression, MultiLogisticRegression};
use ndarray::{Array1, Array2, Axis, concatenate};

use crate::TrainError;

/// Steps of the solver; well-scaled columns need 10 to 40.
const MAX_ITERATIONS: u64 = 200;

/// Gradient per row at which the solver is content.
const GRADIENT_PER_ROW: f64 = 1e-6;

/// Weights of a fitted model. A two-label classifier has a column of zeros for its first label, so that every
/// classifier is one softmax.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Linear {
    /// `[columns, outputs]`.
    pub weights: Array2<f32>,
    /// `[outputs]`.
    pub intercepts: Array1<f32>,
}

impl Linear {
    /// Logistic regression with an L2 penalty of `penalty` per row on the weights. `labels` are indices below
    /// `classes`; a label that no row has gets a probability of almost nothing.
    pub fn fit_labels(
        x: &Array2<f32>,
        labels: &[usize],
        classes: usize,
        penalty: f64,
    ) -> Result<Self, TrainError> {
        let mut present: Vec<usize> = labels.to_vec();
        present.sort_unstable();
        present.dedup();
        // Softmax of this beside a logit of 0 is below 1e-13, and it does not overflow.
        let mut weights = Array2::zeros((x.ncols(), classes));
        let mut intercepts = Array1::from_elem(classes, -30.0_f32);
        if let [only] = present.as_slice() {
            intercepts[*only] = 0.0;
            return Ok(Self { weights, intercepts });
        }
        let rows = x.nrows() as f64;
        let failed = |reason: String| TrainError::Fit { penalty, reason };
        let data = DatasetBase::new(x.mapv(f64::from), Array1::from_vec(labels.to_vec()));
        // A line search can fail for rounding close to the optimum; a milder goal ends before that.
        let goals = [GRADIENT_PER_ROW, 100.0 * GRADIENT_PER_ROW, 1e4 * GRADIENT_PER_ROW];
        let mut last = String::new();
        for goal in goals {
            if let [first, second] = present.as_slice() {
                let solver = LogisticRegression::default()
                    .alpha(penalty * rows)
                    .max_iterations(MAX_ITERATIONS)
                    .gradient_tolerance(goal * rows);
                match solver.fit(&data) {
                    Ok(fitted) => {
                        let sign = if fitted.labels().pos.class == *second { 1.0 } else { -1.0 };
                        weights.column_mut(*second).assign(&fitted.params().mapv(|w| (sign * w) as f32));
                        intercepts[*first] = 0.0;
                        intercepts[*second] = (sign * fitted.intercept()) as f32;
                        return finite(Self { weights, intercepts })
                            .ok_or_else(|| failed("weights overflow".into()));
                    }
                    Err(error) => last = error.to_string(),
                }
            } else {
                let solver = MultiLogisticRegression::default()
                    .alpha(penalty * rows)
                    .max_iterations(MAX_ITERATIONS)
                    .gradient_tolerance(goal * rows);
                match solver.fit(&data) {
                    Ok(fitted) => {
                        for (index, class) in fitted.classes().iter().enumerate() {
                            let column = fitted.params().column(index).mapv(|w| w as f32);
                            weights.column_mut(*class).assign(&column);
                            intercepts[*class] = fitted.intercept()[index] as f32;
                        }
                        return finite(Self { weights, intercepts })
                            .ok_or_else(|| failed("weights overflow".into()));
                    }
                    Err(error) => last = error.to_string(),
                }
            }
        }
        Err(failed(last))
    }

    /// Ridge regression: least squares with rows of √(penalty·rows) below the matrix (Hoerl and Kennard, 1970;
    /// the intercept is not penalised, because the columns and the target are centred first).
    pub fn fit_numbers(x: &Array2<f32>, y: &[f64], penalty: f64) -> Result<Self, TrainError> {
        let failed = |reason: String| TrainError::Fit { penalty, reason };
        let x = x.mapv(f64::from);
        let (rows, columns) = x.dim();
        let means = x.mean_axis(Axis(0)).ok_or_else(|| failed("no rows".into()))?;
        let mean = y.iter().sum::<f64>() / rows as f64;
        // Some penalty is needed where columns depend on each other, as all texts of a column do.
        let root = (penalty.max(1e-9) * rows as f64).sqrt();
        let matrix = concatenate![Axis(0), x - &means, Array2::eye(columns) * root];
        let centred = y.iter().map(|value| value - mean);
        let target = Array1::from_iter(centred.chain(std::iter::repeat_n(0.0, columns)));
        let fitted = LinearRegression::new()
            .with_intercept(false)
            .fit(&DatasetBase::new(matrix, target))
            .map_err(|error| failed(error.to_string()))?;
        let intercept = mean - means.dot(fitted.params());
        let weights = fitted.params().mapv(|w| w as f32).insert_axis(Axis(1));
        finite(Self { weights, intercepts: Array1::from_elem(1, intercept as f32) })
            .ok_or_else(|| failed("weights overflow".into()))
    }

    /// `x · weights + intercepts`, `[rows, outputs]`.
    pub fn scores(&self, x: &Array2<f32>) -> Array2<f32> {
        x.dot(&self.weights) + &self.intercepts
    }

    /// Softmax of the scores along each row.
    pub fn probabilities(&self, x: &Array2<f32>) -> Array2<f32> {
        let mut scores = self.scores(x);
        for mut row in scores.rows_mut() {
            let largest = row.fold(f32::NEG_INFINITY, |a, b| a.max(*b));
            row.mapv_inplace(|score| (score - largest).exp());
            let sum = row.sum();
            row /= sum;
        }
        scores
    }
}

fn finite(model: Linear) -> Option<Linear> {
    let all = model.weights.iter().chain(&model.intercepts).all(|w| w.is_finite());
    all.then_some(model)
}

/// Index of the largest value of a row; the first of equals, as ONNX `ArgMax` has it.
pub(crate) fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}
