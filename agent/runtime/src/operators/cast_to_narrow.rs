//! Rounding to an element type that the engine lacks: ONNX' `Cast`-25 to it, and the entry of an input that has it.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{self, Built, Kernel, Signature, numeric};
use crate::convert;
use crate::narrow::{NarrowType, ROUND, Rounding};

#[derive(Debug, Clone, Copy)]
struct CastToNarrow {
    to: NarrowType,
    saturate: bool,
    rounding: Rounding,
    /// An integer out of range is an error.
    strict: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let to = node.get_attr::<i64>("to")?;
    let flag =
        |name: &str, absent| Ok::<_, TractError>(node.get_attr_opt::<i64>(name)?.unwrap_or(absent) != 0);
    let kernel = CastToNarrow {
        to: NarrowType::from_onnx(to).with_context(|| format!("element type {to} is not a narrow one"))?,
        saturate: flag("saturate", 1)?,
        rounding: match node.get_attr_opt::<&str>("round_mode")?.unwrap_or("up") {
            "up" => Rounding::Up,
            "down" => Rounding::Down,
            "nearest" => Rounding::Nearest,
            other => bail!("round_mode {other} is unknown"),
        },
        strict: flag("strict", 0)?,
    };
    Ok((expand(kernel), vec![]))
}

/// The engine's type that carries a narrow one.
pub(super) fn carrier(kind: NarrowType) -> DatumType {
    match kind.range() {
        Some((0, _)) => u8::datum_type(),
        Some(_) => i8::datum_type(),
        None => f32::datum_type(),
    }
}

/// Rounds to bfloat16.
pub(super) fn round_to_bfloat16(x: f32) -> f32 {
    if x.is_nan() {
        return x;
    }
    let bits = x.to_bits();
    // What is cut off is half of the last bit's worth or more: that bit's parity decides a tie.
    f32::from_bits(bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
}

impl Expansion for CastToNarrow {
    fn name(&self) -> StaticName {
        ROUND.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.equals(&outputs[0].datum_type, carrier(self.to))?;
        s.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let mut inputs: TVec<OutletId> = inputs.into();
        if model.outlet_fact(inputs[0])?.datum_type == TDim::datum_type() {
            // A length that is free is a number only when the graph runs.
            inputs = model.wire_node(format!("{prefix}.number"), cast(i64::datum_type()), &inputs)?;
        }
        kernel::wire(*self, prefix, model, &inputs)
    }
}

impl Kernel for CastToNarrow {
    fn name(&self) -> &'static str {
        ROUND
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (datum_type, shape) = &inputs[0];
        numeric(self.to.name(), *datum_type)?;
        Ok(tvec![(carrier(self.to), shape.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (input, shape) = (inputs[0], inputs[0].shape());
        let is_single = input.datum_type() == f32::datum_type();
        if self.to == NarrowType::Bfloat16 && is_single {
            let plain = input.try_as_plain_ram()?;
            let rounded = plain.as_slice::<f32>()?.iter().map(|x| round_to_bfloat16(*x)).collect();
            return Ok(tvec![convert::tensor(shape, rounded)?]);
        }
        if let Some(range) = self.to.range() {
            // From floats towards zero.
            let whole = input.cast_to::<i64>()?;
            let whole = whole.try_as_plain_ram()?;
            let whole = whole.as_slice::<i64>()?;
            if let Some(x) = whole.iter().find(|x| self.strict && !(range.0..=range.1).contains(*x)) {
                bail!("{x} is not from {} to {}, as {} is", range.0, range.1, self.to.name());
            }
            let wrapped = whole.iter().map(|x| self.to.wrapped(*x) as i8).collect();
            let wrapped = convert::tensor(shape, wrapped)?;
            return Ok(tvec![wrapped.cast_to_dt(carrier(self.to))?.into_owned()]);
        }
        let numbers = input.cast_to::<f64>()?;
        let numbers = numbers.try_as_plain_ram()?;
        let numbers = numbers.as_slice::<f64>()?.iter();
        let rounded = numbers.map(|x| self.to.rounded(*x, self.saturate, self.rounding) as f32).collect();
        Ok(tvec![convert::tensor(shape, rounded)?])
    }
}
