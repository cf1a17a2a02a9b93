//! `QuantizeLinear` (ONNX 10 to 25): y = saturate(round(x / scale) + zero point), with a scale for the tensor, for each
//! place of an axis, or for each block along it. tract multiplies by the inverse of the scale, which rounds some x to
//! the neighbour of what is right.

use dunlin_kernels::Bounds;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, tensor_proto::DataType};
use tract_onnx::tract_hir::internal::*;

use super::cast_to_narrow::{carrier, round_to_bfloat16};
use super::granularity::{Granularity, zero_points};
use super::kernel::{self, Built, Kernel, Signature, built};
use crate::narrow::{NarrowType, Rounding};

/// Of the division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Single,
    Half,
    Bfloat16,
}

#[derive(Debug)]
struct QuantizeLinear {
    granularity: Granularity,
    /// That of the scale where absent.
    precision: Option<Precision>,
    to: Option<Quantized>,
    saturate: bool,
}

/// What it quantizes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantized {
    Plain(DatumType),
    Narrow(NarrowType),
}

impl Quantized {
    fn datum_type(self) -> DatumType {
        match self {
            Quantized::Plain(datum_type) => datum_type,
            Quantized::Narrow(kind) => carrier(kind),
        }
    }

    /// Smallest and largest value of an integer type.
    fn range(self) -> TractResult<Option<(f32, f32)>> {
        let (low, high) = match self {
            Quantized::Narrow(kind) => {
                return Ok(kind.range().map(|(low, high)| (low as f32, high as f32)));
            }
            Quantized::Plain(DatumType::U8) => (0, 255),
            Quantized::Plain(DatumType::I8) => (-128, 127),
            Quantized::Plain(DatumType::U16) => (0, 65_535),
            Quantized::Plain(DatumType::I16) => (-32_768, 32_767),
            Quantized::Plain(other) => bail!("QuantizeLinear does not give {other:?}"),
        };
        Ok(Some((low as f32, high as f32)))
    }
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let number =
        |name: &str| Ok::<_, TractError>(node.get_attr_opt::<i64>(name)?.filter(|number| *number != 0));
    let to = |number: i64| match NarrowType::from_onnx(number) {
        Some(kind) => Ok(Quantized::Narrow(kind)),
        None => {
            Ok::<_, TractError>(Quantized::Plain(DataType::try_from(i32::try_from(number)?)?.try_into()?))
        }
    };
    built(QuantizeLinear {
        granularity: Granularity::read(node)?,
        precision: match number("precision")? {
            None => None,
            Some(1) => Some(Precision::Single),
            Some(10) => Some(Precision::Half),
            Some(16) => Some(Precision::Bfloat16),
            Some(other) => bail!("precision {other} is not float, float16 or bfloat16"),
        },
        to: number("output_dtype")?.map(to).transpose()?,
        saturate: node.get_attr_opt::<i64>("saturate")?.unwrap_or(1) != 0,
    })
}

/// Whether a node quantizes.
pub(crate) fn is_one(node: &TypedNode) -> bool {
    kernel::of::<QuantizeLinear>(node).is_some()
}

/// What a node quantizes single precision to, as numbers before it: where one known scale is that of all, and the type is of
/// whole numbers.
pub(crate) fn bounds(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Bounds>> {
    let Some(op) = kernel::of::<QuantizeLinear>(node) else { return Ok(None) };
    let facts = model.node_input_facts(node.id)?;
    let is_single = op.precision.is_none_or(|precision| precision == Precision::Single)
        && facts[..2].iter().all(|fact| fact.datum_type == f32::datum_type());
    let Some((low, high)) = op.to(facts.get(2).map(|zero| zero.datum_type)).range()? else { return Ok(None) };
    let (Some(step), zero) = (one(facts.get(1)), facts.get(2)) else { return Ok(None) };
    let Some(zero) = zero.map_or(Some(0.0), |zero| one(Some(zero))) else { return Ok(None) };
    let bounds = Bounds { low: (low - zero) * step, high: (high - zero) * step, step };
    let is_plain = step.is_normal() && step > 0.0 && bounds.low.is_finite() && bounds.high.is_finite();
    Ok((is_single && is_plain).then_some(bounds))
}

/// The one number of a constant.
fn one(fact: Option<&&TypedFact>) -> Option<f32> {
    let value = fact?.konst.as_ref().filter(|value| value.len() == 1)?;
    value.cast_to_scalar::<f32>().ok()
}

impl QuantizeLinear {
    fn to(&self, zero_point: Option<DatumType>) -> Quantized {
        self.to.unwrap_or(Quantized::Plain(zero_point.unwrap_or(DatumType::U8)))
    }
}

impl Kernel for QuantizeLinear {
    fn name(&self) -> &'static str {
        "QuantizeLinear"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 3)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let zero_point = inputs.get(2).map(|(datum_type, _)| *datum_type);
        let to = self.to(zero_point);
        to.range()?;
        let is_taken = |kind: DatumType| matches!(kind, DatumType::F32 | DatumType::F16);
        ensure!(
            is_taken(inputs[1].0) && (is_taken(inputs[0].0) || inputs[0].0 == i32::datum_type()),
            "{:?} with a scale of {:?}",
            inputs[0].0,
            inputs[1].0
        );
        ensure!(
            zero_point.is_none_or(|kind| kind == to.datum_type()),
            "a zero point of {zero_point:?} for {:?}",
            to.datum_type()
        );
        Ok(tvec![(to.datum_type(), inputs[0].1.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let to = self.to(inputs.get(2).map(|zero_point| zero_point.datum_type()));
        let precision = self.precision.unwrap_or(match inputs[1].datum_type() {
            DatumType::F16 => Precision::Half,
            _ => Precision::Single,
        });
        let round = |x: f32| match precision {
            Precision::Single => x,
            Precision::Half => half::f16::from_f32(x).to_f32(),
            Precision::Bfloat16 => round_to_bfloat16(x),
        };
        let single = |tensor: &Tensor| -> TractResult<Tensor> {
            let mut tensor = tensor.cast_to::<f32>()?.into_owned();
            if precision != Precision::Single {
                let mut plain = tensor.try_as_plain_ram_mut()?;
                plain.as_slice_mut::<f32>()?.iter_mut().for_each(|x| *x = round(*x));
            }
            Ok(tensor)
        };
        let zeros = zero_points(inputs.get(2), inputs[1])?;
        let scales = single(inputs[1])?;
        let mut quotients = single(inputs[0])?;
        let shape: TVec<usize> = quotients.shape().into();
        let mut plain = quotients.try_as_plain_ram_mut()?;
        let x = plain.as_slice_mut::<f32>()?;
        let scales_plain = scales.try_as_plain_ram()?;
        let scale = scales_plain.as_slice::<f32>()?;
        let zeros = zeros.as_ref().map(|zeros| zeros.try_as_plain_ram()).transpose()?;
        let zero = zeros.as_ref().map(|zeros| zeros.as_slice::<f32>()).transpose()?;
        let range = to.range()?;
        let is_plain = precision == Precision::Single;
        self.granularity.visit(&shape, inputs[1].shape(), |elements, first, step| {
            let zero = |place: usize| zero.map_or(0.0, |zero| zero[place]);
            let quotient = |x: f32, scale: f32| if is_plain { x / scale } else { round(x / scale) };
            let x = &mut x[elements];
            match range {
                Some((low, high)) if step == 0 && is_plain => {
                    // The loop that counts: one scale, nothing to choose.
                    let (scale, zero) = (scale[first], zero(first));
                    let (low, high) = (low - zero, high - zero);
                    x.iter_mut().for_each(|x| *x = nearest((*x / scale).max(low).min(high)) + zero);
                }
                _ => {
                    for (index, x) in x.iter_mut().enumerate() {
                        let place = first + index * step;
                        let (quotient, zero) = (quotient(*x, scale[place]), zero(place));
                        *x = match range {
                            Some((low, high)) => nearest(quotient.max(low - zero).min(high - zero)) + zero,
                            None => quotient + zero,
                        };
                    }
                }
            }
        })?;
        if let (Quantized::Narrow(kind), None) = (to, range) {
            let mut plain = quotients.try_as_plain_ram_mut()?;
            for x in plain.as_slice_mut::<f32>()? {
                *x = kind.rounded((*x).into(), self.saturate, Rounding::Up) as f32;
            }
        }
        Ok(tvec![quotients.cast_to_dt(to.datum_type())?.into_owned()])
    }
}

/// To the nearest whole number, a tie to the even one, for |x| ≤ 2¹⁷: the sum has no bits for what is behind the point.
/// The processors of some boards have no instruction for it.
fn nearest(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 · 2²³
    (x + SHIFT) - SHIFT
}
