//! `BitShift` (ONNX 11 and 28) and `BitCast` (ONNX 26).

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_core::broadcast::multi_broadcast;

use super::kernel::{Built, Kernel, Signature, built};

/// Shifts of the width or more, and of less than none, move every bit out.
#[derive(Debug)]
struct BitShift {
    left: bool,
}

pub(super) fn build_shift(_: &ParsingContext, node: &NodeProto) -> Built {
    let left = match node.get_attr::<&str>("direction")? {
        "LEFT" => true,
        "RIGHT" => false,
        other => bail!("its direction {other} is neither LEFT nor RIGHT"),
    };
    built(BitShift { left })
}

impl Kernel for BitShift {
    fn name(&self) -> &'static str {
        "BitShift"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 2)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        ensure!(inputs[0].0.is_integer() && inputs[1].0.is_integer(), "bits of what is no integer");
        Ok(tvec![(inputs[0].0, multi_broadcast(&[&inputs[0].1, &inputs[1].1])?)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let kind = inputs[0].datum_type();
        let shape = multi_broadcast(&[inputs[0].shape(), inputs[1].shape()])?;
        let width = 8 * kind.size_of() as u32;
        let numbers = inputs[0].cast_to::<i64>()?.broadcast_to_shape(&shape)?;
        let shifts = inputs[1].cast_to::<i64>()?.broadcast_to_shape(&shape)?;
        let (numbers, shifts) = (numbers.try_as_plain_ram()?, shifts.try_as_plain_ram()?);
        let shifted = |(number, shift): (&i64, &i64)| -> i64 {
            let shift = u32::try_from(*shift).ok().filter(|shift| *shift < width);
            match (self.left, shift) {
                (true, shift) => shift.map_or(0, |shift| number << shift),
                (false, shift) if kind.is_unsigned() => {
                    shift.map_or(0, |shift| (number.cast_unsigned() >> shift).cast_signed())
                }
                (false, shift) => number >> shift.unwrap_or(i64::BITS - 1),
            }
        };
        let each = numbers.as_slice::<i64>()?.iter().zip(shifts.as_slice::<i64>()?);
        let shifted = crate::convert::tensor(&shape, each.map(shifted).collect())?;
        Ok(tvec![shifted.cast_to_dt(kind)?.into_owned()])
    }
}

/// The same bits as another type of the same width.
#[derive(Debug)]
struct BitCast {
    to: DatumType,
}

pub(super) fn build_cast(_: &ParsingContext, node: &NodeProto) -> Built {
    built(BitCast { to: node.get_attr("to")? })
}

impl Kernel for BitCast {
    fn name(&self) -> &'static str {
        "BitCast"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let from = inputs[0].0;
        let is_plain = |kind: DatumType| kind.is_copy() && !kind.is_quantized();
        ensure!(
            is_plain(from) && is_plain(self.to) && from.size_of() == self.to.size_of(),
            "{from:?} has not the bits of {:?}",
            self.to
        );
        // Of the bytes only two are truths.
        ensure!(self.to != bool::datum_type() || from == self.to, "bits are not cast to truths");
        Ok(tvec![(self.to, inputs[0].1.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let mut output = Tensor::zero_dt(self.to, inputs[0].shape())?;
        if inputs[0].len() > 0 {
            let from = inputs[0].try_as_plain_ram()?.as_bytes();
            let mut plain = output.try_as_plain_ram_mut()?;
            plain.as_bytes_mut().iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        Ok(tvec![output])
    }
}
