//! `Compress` (ONNX 9 and 11): the slices along an axis, or the elements, for which a condition holds.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};
use super::values::{around, gathered, resolve_axis};

#[derive(Debug)]
struct Compress {
    axis: Option<i64>,
    /// How many are kept.
    kept: Symbol,
}

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    built(Compress {
        axis: node.get_attr_opt("axis")?,
        kept: context.template.symbols.new_with_prefix("compressed"),
    })
}

impl Kernel for Compress {
    fn name(&self) -> &'static str {
        "Compress"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 2)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        ensure!(inputs[1].0 == bool::datum_type() && inputs[1].1.len() == 1, "no list of conditions");
        let mut shape = inputs[0].1.clone();
        match self.axis {
            Some(axis) => {
                let axis = resolve_axis(axis, shape.len())?;
                shape[axis] = self.kept.clone().into();
            }
            None => shape = tvec![self.kept.clone().into()],
        }
        Ok(tvec![(inputs[0].0, shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let mut shape: TVec<usize> = inputs[0].shape().into();
        let axis = match self.axis {
            Some(axis) => resolve_axis(axis, shape.len())?,
            None => {
                shape = tvec![inputs[0].len()];
                0
            }
        };
        let (_, length, inner) = around(&shape, axis);
        let holds = inputs[1].try_as_plain_ram()?.as_slice::<bool>()?;
        let kept: Vec<usize> = (0..length).filter(|place| holds.get(*place) == Some(&true)).collect();
        shape[axis] = kept.len();
        let source = |n: usize| {
            Some((n / inner / kept.len() * length + kept[n / inner % kept.len()]) * inner + n % inner)
        };
        Ok(tvec![gathered(inputs[0], &shape, &source)?])
    }
}
