//! Comparing a model's outputs with those that another runtime gave for the same inputs.

use dunlin_protocol::bundle::golden::Golden;
use dunlin_protocol::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::Model;

/// Most differences that are told one by one.
const MAX_FAILURES: usize = 20;

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoldenFailure {
    /// The output, or the whole run where that failed.
    pub output: String,
    /// Row, from 0.
    pub row: usize,
    /// What the other runtime gave.
    pub expected: String,
    /// What this runtime gave.
    pub found: String,
}

/// Result of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GoldenReport {
    /// Rows compared.
    pub rows: usize,
    /// Largest |found − expected| / max(1, |expected|) of all numbers.
    pub worst_difference: f64,
    /// The first differences beyond the tolerance.
    pub failures: Vec<GoldenFailure>,
    /// True when there were rows and no differences.
    pub ok: bool,
}

/// Runs the golden inputs and compares: labels and texts must be equal, numbers within the tolerance
/// relative to max(1, |expected|).
pub fn check(model: &Model, golden: &Golden) -> GoldenReport {
    let mut report = GoldenReport::default();
    let rows_of = |tensors: &[Tensor]| tensors.first().and_then(|t| t.shape.first().copied()).unwrap_or(0);
    match model.run(&golden.inputs) {
        Err(error) => report.fail("(the run)", 0, "an answer", &error.to_string()),
        Ok(found) => {
            report.rows = rows_of(&golden.outputs);
            for expected in &golden.outputs {
                match found.iter().find(|tensor| tensor.name == expected.name) {
                    Some(found) => compare(expected, found, golden.tolerance, &mut report),
                    None => report.fail(&expected.name, 0, "an output of this name", "none"),
                }
            }
        }
    }
    report.ok = report.failures.is_empty() && report.rows > 0;
    report
}

impl GoldenReport {
    fn fail(&mut self, output: &str, row: usize, expected: &str, found: &str) {
        if self.failures.len() < MAX_FAILURES {
            let (expected, found) = (expected.to_owned(), found.to_owned());
            self.failures.push(GoldenFailure { output: output.to_owned(), row, expected, found });
        }
    }
}

fn compare(expected: &Tensor, found: &Tensor, tolerance: f64, report: &mut GoldenReport) {
    // A column of one is written as [n] by some runtimes and as [n,1] by others.
    if expected.data.len() != found.data.len() || !expected.is_consistent() {
        let (want, got) = (format!("shape {:?}", expected.shape), format!("shape {:?}", found.shape));
        return report.fail(&expected.name, 0, &want, &got);
    }
    let rows = expected.shape.first().copied().unwrap_or(1).max(1);
    let width = (expected.data.len() / rows).max(1);
    for index in 0..expected.data.len() {
        let row = index / width;
        if let (TensorData::Bytes(want), TensorData::Bytes(got)) = (&expected.data, &found.data) {
            if want[index] != got[index] {
                report.fail(&expected.name, row, &want[index], &got[index]);
            }
            continue;
        }
        let (Some(want), Some(got)) = (expected.data.number(index), found.data.number(index)) else {
            return report.fail(&expected.name, row, "numbers or texts as in the golden file", "the other");
        };
        if want == got || want.is_nan() && got.is_nan() {
            continue;
        }
        let difference = (got - want).abs() / want.abs().max(1.0);
        let exact =
            matches!(expected.data, TensorData::Int64(_) | TensorData::Int32(_) | TensorData::Bool(_));
        if !exact && difference.is_finite() {
            report.worst_difference = report.worst_difference.max(difference);
        }
        // NaN on one side is a difference, and not comparable.
        if exact || difference.is_nan() || difference > tolerance {
            report.fail(&expected.name, row, &want.to_string(), &got.to_string());
        }
    }
}
