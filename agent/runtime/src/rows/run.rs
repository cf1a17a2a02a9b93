//! A model on many rows.

use dunlin_protocol::tensor::Tensor;

use super::{Row, RowError, tensor_inputs};
use crate::{Model, RunError};

/// Rows that a model did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// They do not fit the model.
    #[error(transparent)]
    Rows(#[from] RowError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The rows were run one by one, and their answers do not stand behind each other.
    #[error("output `{output}` has another shape in every row; give the rows one by one")]
    Uneven {
        /// Name of the output.
        output: String,
    },
}

/// Runs the model on all rows at once, or one by one where its inputs are made for a single row. Outputs have the
/// rows along their first dimension.
pub fn run_rows(model: &Model, rows: &[Row]) -> Result<Vec<Tensor>, RowsError> {
    let spec = model.spec();
    let single = spec.inputs.iter().all(|input| input.shape.first() == Some(&Some(1)));
    let mut batches = rows.chunks(if single { 1 } else { rows.len().max(1) });
    let run = |batch: &[Row]| -> Result<_, RowsError> { Ok(model.run(&tensor_inputs(spec, batch)?)?) };
    let mut all: Vec<Tensor> = run(batches.next().unwrap_or_default())?;
    for batch in batches {
        for (all, output) in all.iter_mut().zip(run(batch)?) {
            if !all.append(output) {
                return Err(RowsError::Uneven { output: all.name.clone() });
            }
        }
    }
    Ok(all)
}
