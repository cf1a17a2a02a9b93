//! `ReverseSequence` (ONNX 10): the first elements of each row turned around, as many as the row is long.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};
use super::values::{coordinates, flat, gathered, lengths};

/// One of both axes is the first, the other the second.
#[derive(Debug)]
struct ReverseSequence {
    batch_axis: usize,
    time_axis: usize,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let axes = |name, default| -> TractResult<usize> { Ok(node.get_attr_opt(name)?.unwrap_or(default)) };
    let (batch_axis, time_axis) = (axes("batch_axis", 1)?, axes("time_axis", 0)?);
    ensure!(batch_axis + time_axis == 1, "its batch_axis is {batch_axis}, its time_axis {time_axis}");
    built(ReverseSequence { batch_axis, time_axis })
}

impl Kernel for ReverseSequence {
    fn name(&self) -> &'static str {
        "ReverseSequence"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 2)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        ensure!(inputs[0].1.len() >= 2 && inputs[1].1.len() == 1, "not one length for each row");
        Ok(tvec![inputs[0].clone()])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (shape, lengths) = (inputs[0].shape(), lengths(inputs[1])?);
        let fits = |length: &usize| *length <= shape[self.time_axis];
        ensure!(
            lengths.len() == shape[self.batch_axis] && lengths.iter().all(fits),
            "lengths {lengths:?} for a tensor of shape {shape:?}"
        );
        let source = |n: usize| {
            let mut place = coordinates(n, shape);
            let (length, time) = (lengths[place[self.batch_axis]], place[self.time_axis]);
            if time < length {
                place[self.time_axis] = length - 1 - time;
            }
            Some(flat(&place, shape))
        };
        Ok(tvec![gathered(inputs[0], shape, &source)?])
    }
}
