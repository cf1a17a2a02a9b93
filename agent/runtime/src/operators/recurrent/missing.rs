//! NaN in a sequence is NaN in all that was computed from it.

use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_ndarray::Axis;
use tract_onnx::tract_hir::tract_num_traits::Float;

use crate::operators::kernel::{Kernel, Signature};

/// Takes what a recurrent node was given, its sequence [time, batch, features] and maybe its initial states
/// [directions, batch, hidden], and then its outputs: Y [time, directions, batch, hidden] and final states.
/// Gives the outputs. The first direction runs forwards, the second backwards.
#[derive(Debug)]
pub(super) struct KeepMissing {
    pub(super) given: usize,
    pub(super) outputs: usize,
}

impl Kernel for KeepMissing {
    fn name(&self) -> &'static str {
        "KeepMissing"
    }

    fn arity(&self) -> (usize, usize) {
        (self.given + self.outputs, self.given + self.outputs)
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        Ok(inputs[self.given..].into())
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        dispatch_floatlike!(keep(inputs[0].datum_type())(inputs, self.given))
    }
}

fn keep<T: Datum + Float>(inputs: &[&Tensor], given: usize) -> TractResult<TVec<Tensor>> {
    let (given, outputs) = inputs.split_at(given);
    let mut outputs: TVec<Tensor> = outputs.iter().map(|output| (*output).clone()).collect();
    let sequence = given[0].to_plain_array_view::<T>()?;
    let (times, batch) = (sequence.shape()[0], sequence.shape()[1]);
    for row in 0..batch {
        let of_row = sequence.index_axis(Axis(1), row);
        let missing = |time: &usize| of_row.index_axis(Axis(0), *time).iter().any(|x| x.is_nan());
        let mut first = (0..times).find(missing);
        let mut last = (0..times).rev().find(missing);
        for state in &given[1..] {
            if state.to_plain_array_view::<T>()?.index_axis(Axis(1), row).iter().any(|x| x.is_nan()) {
                (first, last) = (Some(0), times.checked_sub(1));
            }
        }
        let (Some(first), Some(last)) = (first, last) else { continue };
        for output in &mut outputs {
            let mut plain = output.try_as_plain_ram_mut()?;
            let mut view = plain.to_array_view_mut::<T>()?;
            if view.ndim() == 3 {
                view.index_axis_mut(Axis(1), row).fill(T::nan());
                continue;
            }
            let mut of_row = view.index_axis_mut(Axis(2), row);
            for (direction, mut steps) in of_row.axis_iter_mut(Axis(1)).enumerate() {
                let tainted = if direction == 0 { first..times } else { 0..last + 1 };
                tainted.for_each(|time| steps.index_axis_mut(Axis(0), time).fill(T::nan()));
            }
        }
    }
    Ok(outputs)
}
