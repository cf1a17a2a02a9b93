//! The initial state of a recurrent node that is given none.

use tract_onnx::tract_hir::internal::*;

use crate::operators::kernel::{Kernel, Signature};

/// Zeros [directions, batch, hidden] for a sequence [time, batch, features]. Not a constant, for a batch that
/// is known only when the model runs.
#[derive(Debug)]
pub(super) struct ZeroState {
    pub(super) directions: usize,
    pub(super) hidden: usize,
}

impl Kernel for ZeroState {
    fn name(&self) -> &'static str {
        "ZeroState"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (datum_type, sequence) = &inputs[0];
        let shape = tvec!(self.directions.to_dim(), sequence[1].clone(), self.hidden.to_dim());
        Ok(tvec!((*datum_type, shape)))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let shape = [self.directions, inputs[0].shape()[1], self.hidden];
        Ok(tvec!(Tensor::zero_dt(inputs[0].datum_type(), &shape)?))
    }
}
