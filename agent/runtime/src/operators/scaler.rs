//! `Scaler`: (x − offset) · scale, per column or by one pair.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes;
use super::kernel::{Built, Kernel, Signature, built, matrix, numeric, with_floats};

#[derive(Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let mut offset = attributes::floats(node, "offset")?;
    let mut scale = attributes::floats(node, "scale")?;
    ensure!(!(offset.is_empty() && scale.is_empty()), "neither offset nor scale");
    if offset.is_empty() {
        offset = vec![0.0];
    }
    if scale.is_empty() {
        scale = vec![1.0];
    }
    built(Scaler { offset, scale })
}

impl Kernel for Scaler {
    fn name(&self) -> &'static str {
        "Scaler"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        numeric(self.name(), inputs[0].0)?;
        Ok(tvec!((f32::datum_type(), inputs[0].1.clone())))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (_, columns) = matrix(inputs[0].shape());
        for (what, found) in [("offsets", self.offset.len()), ("scales", self.scale.len())] {
            ensure!(found == 1 || found == columns, "{found} {what} for {columns} columns");
        }
        let pairs = || self.offset.iter().cycle().zip(self.scale.iter().cycle());
        let scaled: Vec<f32> = if inputs[0].datum_type() == f64::datum_type() {
            // What remains of a large number, such as a time, is rounded after the offset and not before.
            let plain = inputs[0].try_as_plain_ram()?;
            let values = plain.as_slice::<f64>()?.iter().zip(pairs());
            values.map(|(x, (offset, scale))| ((x - f64::from(*offset)) * f64::from(*scale)) as f32).collect()
        } else {
            with_floats(inputs[0], |values| {
                Ok(values.iter().zip(pairs()).map(|(x, (offset, scale))| (x - offset) * scale).collect())
            })?
        };
        Ok(tvec!(crate::convert::tensor(inputs[0].shape(), scaled)?))
    }
}
