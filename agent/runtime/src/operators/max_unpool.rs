//! `MaxUnpool` (ONNX 22): the largest elements back in their places, zeros around them.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::ints;
use super::kernel::{Built, Kernel, Signature, built};
use super::values::{coordinates, doubles, flat, integers, lengths, of_doubles};

/// Takes elements, their places in the tensor that was pooled, and maybe the shape to give, where that shape then stands
/// in the first corner.
#[derive(Debug)]
struct MaxUnpool {
    kernel: Vec<i64>,
    strides: Vec<i64>,
    pads: Vec<i64>,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let kernel = ints(node, "kernel_shape")?;
    built(MaxUnpool { kernel, strides: ints(node, "strides")?, pads: ints(node, "pads")? })
}

impl MaxUnpool {
    /// The shape of what was pooled.
    fn pooled_from(&self, shape: &[usize]) -> TractResult<TVec<usize>> {
        ensure!(shape.len() == self.kernel.len() + 2, "a window of {} axes", self.kernel.len());
        let along = |(axis, length): (usize, &usize)| {
            let at = |list: &[i64], index: usize, default| list.get(index).copied().unwrap_or(default);
            let pads = at(&self.pads, axis, 0).checked_add(at(&self.pads, axis + self.kernel.len(), 0))?;
            let steps =
                i64::try_from(*length).ok()?.checked_sub(1)?.checked_mul(at(&self.strides, axis, 1))?;
            usize::try_from(steps.checked_sub(pads)?.checked_add(self.kernel[axis])?).ok()
        };
        let lengths = shape[2..].iter().enumerate().map(along).collect::<Option<TVec<_>>>();
        let lengths = lengths.context("a window that covers nothing")?;
        Ok(shape[..2].iter().copied().chain(lengths).collect())
    }
}

impl Kernel for MaxUnpool {
    fn name(&self) -> &'static str {
        "MaxUnpool"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 3)
    }

    fn deciding(&self) -> TVec<usize> {
        tvec![2]
    }

    fn facts_by(&self, inputs: &[Signature], values: &[Arc<Tensor>]) -> TractResult<TVec<Signature>> {
        let (kind, shape) = &inputs[0];
        ensure!(*shape == inputs[1].1, "not one place for each element");
        let shape = match values.first() {
            Some(wanted) => lengths(wanted)?,
            None => {
                let lengths =
                    shape.iter().map(|dim| Ok(dim.to_usize()?)).collect::<TractResult<TVec<_>>>()?;
                self.pooled_from(&lengths)?
            }
        };
        ensure!(shape.len() == inputs[0].1.len(), "a shape of {} axes", shape.len());
        Ok(tvec![(*kind, shape.iter().map(|length| length.to_dim()).collect())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let pooled = self.pooled_from(inputs[0].shape())?;
        let shape = inputs.get(2).map_or(Ok(pooled.clone()), |wanted| lengths(wanted))?;
        let count = pooled.iter().try_fold(1_usize, |count, length| count.checked_mul(*length));
        let count = count.context("a shape without end")?;
        let mut found = vec![0.0; shape.iter().product()];
        for (number, place) in doubles(inputs[0])?.into_iter().zip(integers(inputs[1])?) {
            let known = usize::try_from(place).ok().filter(|place| *place < count);
            let place = coordinates(known.with_context(|| format!("place {place} of {count}"))?, &pooled);
            if place.iter().zip(&shape).all(|(place, length)| place < length) {
                found[flat(&place, &shape)] = number;
            }
        }
        Ok(tvec![of_doubles(inputs[0].datum_type(), &shape, found)?])
    }
}
