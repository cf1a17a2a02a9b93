//! `CenterCropPad` (ONNX 18): axes brought to given lengths, the middle kept in the middle.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::ints;
use super::kernel::{Built, Kernel, Signature, built};
use super::values::{coordinates, flat, gathered, lengths, resolve_axis};

/// Axes are all where none are named.
#[derive(Debug)]
struct CenterCropPad {
    axes: Vec<i64>,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    built(CenterCropPad { axes: ints(node, "axes")? })
}

impl CenterCropPad {
    fn resized<D: Clone>(&self, shape: &[D], wanted: &Tensor, of: fn(usize) -> D) -> TractResult<TVec<D>> {
        let all: Vec<i64> = (0..shape.len() as i64).collect();
        let axes = if self.axes.is_empty() { &all } else { &self.axes };
        let wanted = lengths(wanted)?;
        ensure!(wanted.len() == axes.len(), "{} lengths for {} axes", wanted.len(), axes.len());
        let mut resized: TVec<D> = shape.into();
        for (axis, length) in axes.iter().zip(wanted) {
            resized[resolve_axis(*axis, shape.len())?] = of(length);
        }
        Ok(resized)
    }
}

impl Kernel for CenterCropPad {
    fn name(&self) -> &'static str {
        "CenterCropPad"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 2)
    }

    fn deciding(&self) -> TVec<usize> {
        tvec![1]
    }

    fn facts_by(&self, inputs: &[Signature], values: &[Arc<Tensor>]) -> TractResult<TVec<Signature>> {
        Ok(tvec![(inputs[0].0, self.resized(&inputs[0].1, &values[0], |length| length.to_dim())?)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let from = inputs[0].shape();
        let shape = self.resized(from, inputs[1], |length| length)?;
        let source = |n: usize| {
            let mut place = coordinates(n, &shape);
            for ((place, from), to) in place.iter_mut().zip(from).zip(&shape) {
                // What is odd is more at the end, both of what is cut away and of what is added.
                *place = (*place + from.saturating_sub(*to) / 2).checked_sub(to.saturating_sub(*from) / 2)?;
                if *place >= *from {
                    return None;
                }
            }
            Some(flat(&place, from))
        };
        Ok(tvec![gathered(inputs[0], &shape, &source)?])
    }
}
