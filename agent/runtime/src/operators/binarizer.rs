//! `Binarizer`: 1 above the threshold, else 0.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built, numeric, with_floats};

#[derive(Debug)]
struct Binarizer {
    threshold: f32,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    built(Binarizer { threshold: node.get_attr_opt::<f32>("threshold")?.unwrap_or(0.0) })
}

impl Binarizer {
    /// NaN is neither above nor below: ONNX Runtime refuses it, here it stays missing.
    fn flag(&self, x: f32) -> f32 {
        match x.partial_cmp(&self.threshold) {
            None => f32::NAN,
            Some(std::cmp::Ordering::Greater) => 1.0,
            Some(_) => 0.0,
        }
    }
}

impl Kernel for Binarizer {
    fn name(&self) -> &'static str {
        "Binarizer"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        numeric(self.name(), inputs[0].0)?;
        Ok(tvec!((f32::datum_type(), inputs[0].1.clone())))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let flags =
            with_floats(inputs[0], |values| Ok(values.iter().map(|x| self.flag(*x)).collect::<Vec<_>>()))?;
        Ok(tvec!(crate::convert::tensor(inputs[0].shape(), flags)?))
    }
}
