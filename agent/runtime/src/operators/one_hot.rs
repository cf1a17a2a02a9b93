//! `OneHot` (ONNX 9 and 11). An index below zero counts from the end, one that is out of range lights nothing.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};
use super::values::{around, gathered, integers, resolve_axis};

/// Takes indices, depth and the pair of the values for off and on.
#[derive(Debug)]
struct OneHot {
    axis: i64,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    built(OneHot { axis: node.get_attr_opt("axis")?.unwrap_or(-1) })
}

fn depth(tensor: &Tensor) -> TractResult<usize> {
    let depth = integers(tensor)?.first().and_then(|depth| usize::try_from(*depth).ok());
    depth.context("a depth below zero")
}

impl Kernel for OneHot {
    fn name(&self) -> &'static str {
        "OneHot"
    }

    fn arity(&self) -> (usize, usize) {
        (3, 3)
    }

    fn deciding(&self) -> TVec<usize> {
        tvec![1]
    }

    fn facts_by(&self, inputs: &[Signature], values: &[Arc<Tensor>]) -> TractResult<TVec<Signature>> {
        ensure!(*inputs[2].1 == [2.to_dim()], "not one value for off and one for on");
        let mut shape = inputs[0].1.clone();
        shape.insert(resolve_axis(self.axis, shape.len() + 1)?, depth(&values[0])?.to_dim());
        Ok(tvec![(inputs[2].0, shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (indices, depth) = (integers(inputs[0])?, depth(inputs[1])?);
        let mut shape: TVec<usize> = inputs[0].shape().into();
        let axis = resolve_axis(self.axis, shape.len() + 1)?;
        shape.insert(axis, depth);
        let (_, _, inner) = around(&shape, axis);
        let is_lit = |n: usize| {
            let (outer, place) = (n / inner / depth, (n / inner % depth) as i64);
            let index = indices[outer * inner + n % inner];
            index == place || index.checked_add(depth as i64) == Some(place)
        };
        Ok(tvec![gathered(inputs[2], &shape, &|n| Some(usize::from(is_lit(n))))?])
    }
}
