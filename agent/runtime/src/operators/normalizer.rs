//! `Normalizer`: each row divided by its largest absolute value, its L1 or its L2 norm.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built, matrix, numeric, with_floats};

#[derive(Debug)]
enum Normalizer {
    Max,
    L1,
    L2,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    built(match node.get_attr_opt::<&str>("norm")?.unwrap_or("MAX") {
        "MAX" => Normalizer::Max,
        "L1" => Normalizer::L1,
        "L2" => Normalizer::L2,
        other => bail!("norm {other} is none of MAX, L1, L2"),
    })
}

impl Kernel for Normalizer {
    fn name(&self) -> &'static str {
        "Normalizer"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        numeric(self.name(), inputs[0].0)?;
        Ok(tvec!((f32::datum_type(), inputs[0].1.clone())))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (_, columns) = matrix(inputs[0].shape());
        let mut values = with_floats(inputs[0], |values| Ok(values.to_vec()))?;
        for row in values.chunks_mut(columns.max(1)) {
            let norm = match self {
                // The largest value, not the largest absolute one: as ONNX Runtime does.
                Normalizer::Max => row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                Normalizer::L1 => row.iter().map(|x| x.abs()).sum(),
                Normalizer::L2 => row.iter().map(|x| x * x).sum::<f32>().sqrt(),
            };
            // A row of zeros stays as it is.
            if norm != 0.0 {
                row.iter_mut().for_each(|x| *x /= norm);
            }
        }
        Ok(tvec!(crate::convert::tensor(inputs[0].shape(), values)?))
    }
}
