//! A sequence from its end to its beginning.

use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_ndarray::Axis;

use crate::operators::kernel::{Kernel, Signature};

/// Turns the first dimension around.
#[derive(Debug)]
pub(super) struct Reverse;

impl Kernel for Reverse {
    fn name(&self) -> &'static str {
        "Reverse"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        Ok(tvec!(inputs[0].clone()))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        fn turn<T: Datum + Copy>(tensor: &Tensor) -> TractResult<Tensor> {
            let mut view = tensor.to_plain_array_view::<T>()?;
            view.invert_axis(Axis(0));
            crate::convert::tensor(tensor.shape(), view.iter().copied().collect())
        }
        Ok(tvec!(dispatch_floatlike!(turn(inputs[0].datum_type())(inputs[0]))?))
    }
}
