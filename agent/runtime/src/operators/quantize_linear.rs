//! `QuantizeLinear` (ONNX 10 to 25) to integers of 8 and 16 bits: x / scale, rounded half to even, plus a zero point.
//!
//! tract multiplies by 1 / scale, rounds half away from zero, and wants constants.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built, with_floats};
use super::values::{around, resolve_axis};

/// Takes numbers, scales and maybe zero points: one for all, one for each place along an axis, or one for each block
/// along it.
#[derive(Debug)]
struct QuantizeLinear {
    axis: i64,
    block: usize,
    /// The type of what is given where there are no zero points.
    kind: DatumType,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let kind = node.get_attr_opt::<i64>("output_dtype")?.filter(|kind| *kind != 0);
    built(QuantizeLinear {
        axis: node.get_attr_opt("axis")?.unwrap_or(1),
        block: node.get_attr_opt("block_size")?.unwrap_or(0),
        kind: if kind.is_some() { node.get_attr("output_dtype")? } else { u8::datum_type() },
    })
}

fn range(kind: DatumType) -> TractResult<(i32, i32)> {
    Ok(match kind {
        DatumType::U8 => (0, i32::from(u8::MAX)),
        DatumType::I8 => (i32::from(i8::MIN), i32::from(i8::MAX)),
        DatumType::U16 => (0, i32::from(u16::MAX)),
        DatumType::I16 => (i32::from(i16::MIN), i32::from(i16::MAX)),
        other => bail!("numbers are not quantized to {other:?}"),
    })
}

impl Kernel for QuantizeLinear {
    fn name(&self) -> &'static str {
        "QuantizeLinear"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 3)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let kind = inputs.get(2).map_or(self.kind, |(kind, _)| *kind);
        range(kind)?;
        Ok(tvec![(kind, inputs[0].1.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (shape, scales) = (inputs[0].shape(), inputs[1].shape());
        let kind = inputs.get(2).map_or(self.kind, |zero_points| zero_points.datum_type());
        let (least, most) = range(kind)?;
        let (length, inner, block) = if inputs[1].len() == 1 {
            (1, inputs[0].len(), 1)
        } else {
            let (_, length, inner) = around(shape, resolve_axis(self.axis, shape.len())?);
            (length, inner, self.block.max(1))
        };
        let blocks = length.div_ceil(block);
        let is_blocked = scales.len() == shape.len() && self.block > 0;
        let count = if is_blocked { inputs[0].len() / length.max(1) * blocks } else { blocks };
        ensure!(
            inputs[1].len() == count && inputs.get(2).is_none_or(|zeros| zeros.len() == count),
            "scales of shape {scales:?} for {shape:?}"
        );
        let zero_points = inputs.get(2).map(|zeros| zeros.cast_to::<i32>()).transpose()?;
        let zero_points = zero_points.as_ref().map(|zeros| zeros.try_as_plain_ram()).transpose()?;
        let zero_points = zero_points.as_ref().map(|zeros| zeros.as_slice::<i32>()).transpose()?;
        let scales = inputs[1].cast_to::<f32>()?;
        let scales = scales.try_as_plain_ram()?.as_slice::<f32>()?;
        let which = |n: usize| {
            let place = n / inner % length / block;
            if is_blocked { (n / inner / length * blocks + place) * inner + n % inner } else { place }
        };
        let quantized = with_floats(inputs[0], |numbers| {
            let one = |(n, number): (usize, &f32)| {
                let which = which(n);
                let zero = zero_points.map_or(0, |zeros| zeros[which]);
                ((number / scales[which]).round_ties_even() as i32).saturating_add(zero).clamp(least, most)
            };
            crate::convert::tensor(shape, numbers.iter().enumerate().map(one).collect())
        })?;
        Ok(tvec![quantized.cast_to_dt(kind)?.into_owned()])
    }
}
