//! `FeatureVectorizer`: inputs side by side in one row of floats.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes;
use super::kernel::{Built, Kernel, Signature, built, matrix, matrix_dims, numeric, with_floats};

/// Most inputs that are read.
const MAX_INPUTS: usize = 4096;
/// Most columns of the output.
const MAX_WIDTH: usize = MAX_INPUTS * 16;

#[derive(Debug)]
struct FeatureVectorizer {
    widths: Vec<usize>,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let widths = attributes::ints(node, "inputdimensions")?;
    let widths = widths.iter().map(|width| usize::try_from(*width)).collect::<Result<Vec<_>, _>>()?;
    let total = widths.iter().try_fold(0_usize, |total, width| total.checked_add(*width));
    ensure!(!widths.is_empty() && total.is_some_and(|total| total <= MAX_WIDTH), "unlikely inputdimensions");
    built(FeatureVectorizer { widths })
}

impl Kernel for FeatureVectorizer {
    fn name(&self) -> &'static str {
        "FeatureVectorizer"
    }

    fn arity(&self) -> (usize, usize) {
        (1, MAX_INPUTS)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        inputs.iter().try_for_each(|(datum_type, _)| numeric(self.name(), *datum_type))?;
        ensure!(
            inputs.len() == self.widths.len(),
            "{} inputs, {} dimensions",
            inputs.len(),
            self.widths.len()
        );
        let (rows, _) = matrix_dims(&inputs[0].1);
        Ok(tvec!((f32::datum_type(), tvec!(rows, self.widths.iter().sum::<usize>().to_dim()))))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, _) = matrix(inputs[0].shape());
        let total: usize = self.widths.iter().sum();
        let mut joined = vec![0.0_f32; rows * total];
        let mut offset = 0;
        for (input, width) in inputs.iter().zip(&self.widths) {
            let (found, columns) = matrix(input.shape());
            ensure!(found == rows, "inputs with {rows} and {found} rows");
            // What is narrower than declared is filled with zeros, what is wider is cut.
            let used = columns.min(*width);
            with_floats(input, |values| {
                for (source, target) in values.chunks(columns.max(1)).zip(joined.chunks_mut(total)) {
                    target[offset..offset + used].copy_from_slice(&source[..used]);
                }
                Ok(())
            })?;
            offset += width;
        }
        Ok(tvec!(crate::convert::tensor(&[rows, total], joined)?))
    }
}
