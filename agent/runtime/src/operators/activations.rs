//! `Softplus` and `LogSoftmax`, where tract's overflow; `Celu` and `Swish`, whose `alpha` it does not heed everywhere;
//! `SwiGLU` (ONNX 28).

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::wire_cast;
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_core::ops::math::mul;
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_num_traits::Float;

use super::kernel::Built;

#[derive(Debug, Clone, PartialEq)]
enum Curve {
    /// ln(1 + eˣ) as max(x, 0) + ln(1 + e^−|x|), which overflows for no x.
    Softplus,
    /// max(x, 0) + min(0, α·(e^(x/α) − 1)).
    Celu { alpha: f32 },
    /// 1 / (1 + e^−x), as exact as single precision is.
    Sigmoid,
    /// x / (1 + e^−αx).
    Swish { alpha: f32 },
}

/// An `alpha` that is no number makes a model of its own; nothing is compared with it.
impl Eq for Curve {}

pub(super) fn build_curve(_: &ParsingContext, node: &NodeProto) -> Built {
    let alpha = node.get_attr_opt::<f32>("alpha")?.unwrap_or(1.0);
    let curve = match node.op_type.as_str() {
        "Celu" => Curve::Celu { alpha },
        "Swish" => Curve::Swish { alpha },
        _ => Curve::Softplus,
    };
    Ok((ElementWiseOp(Box::new(curve), None).into_hir(), vec![]))
}

/// The sigmoid for cells of recurrent nodes.
pub(super) fn sigmoid() -> ElementWiseOp {
    ElementWiseOp(Box::new(Curve::Sigmoid), None)
}

impl Curve {
    fn of<T: Float>(&self, x: T) -> T {
        let number = |alpha: f32| T::from(alpha).unwrap_or_else(T::nan);
        match self {
            Curve::Softplus => x.max(T::zero()) + (-x.abs()).exp().ln_1p(),
            Curve::Celu { alpha } if x < T::zero() => number(*alpha) * (x / number(*alpha)).exp_m1(),
            Curve::Celu { .. } => x,
            Curve::Sigmoid => T::one() / (T::one() + (-x).exp()),
            Curve::Swish { alpha } => x / (T::one() + (-number(*alpha) * x).exp()),
        }
    }
}

impl ElementWiseMiniOp for Curve {
    fn name(&self) -> String {
        match self {
            Curve::Softplus => "Softplus",
            Curve::Celu { .. } => "Celu",
            Curve::Sigmoid => "Sigmoid",
            Curve::Swish { .. } => "Swish",
        }
        .into()
    }

    fn eval_in_place(&self, tensor: &mut Tensor, _: Option<DatumType>) -> TractResult<()> {
        fn apply<T: Datum + Float>(curve: &Curve, tensor: &mut Tensor) -> TractResult<()> {
            let mut plain = tensor.try_as_plain_ram_mut()?;
            plain.as_slice_mut::<T>()?.iter_mut().for_each(|x| *x = curve.of(*x));
            Ok(())
        }
        dispatch_floatlike!(apply(tensor.datum_type())(self, tensor))
    }
}

/// Swish(a)·b, halves in single precision.
#[derive(Debug, Clone)]
struct SwiGlu {
    alpha: f32,
}

pub(super) fn build_swiglu(_: &ParsingContext, node: &NodeProto) -> Built {
    Ok((expand(SwiGlu { alpha: node.get_attr_opt("alpha")?.unwrap_or(1.0) }), vec![]))
}

impl Expansion for SwiGlu {
    fn name(&self) -> StaticName {
        "SwiGLU".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2)?;
        check_output_arity(outputs, 1)?;
        for same in [&inputs[1], &outputs[0]] {
            s.equals(&inputs[0].datum_type, &same.datum_type)?;
            s.equals(&inputs[0].shape, &same.shape)?;
        }
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let given = model.outlet_fact(inputs[0])?.datum_type;
        let kind = if given == f16::datum_type() { f32::datum_type() } else { given };
        let cast = wire_cast(prefix, model, inputs, kind)?;
        let gate = ElementWiseOp(Box::new(Curve::Swish { alpha: self.alpha }), None);
        let gate = model.wire_node(format!("{prefix}.gate"), gate, &cast[..1])?[0];
        let product = model.wire_node(format!("{prefix}.product"), mul(), &[gate, cast[1]])?;
        wire_cast(format!("{prefix}.given"), model, &product, given)
    }
}

/// x − ln Σ eˣ. tract takes the logarithm of a soft-max, which is minus infinity where the soft-max is zero.
#[derive(Debug, Clone)]
struct LogSoftmax {
    axis: i64,
    /// Before opset 13: over this axis and all after it.
    to_the_end: bool,
}

pub(super) fn build_log_softmax(context: &ParsingContext, node: &NodeProto) -> Built {
    let to_the_end = context.onnx_operator_set_version < 13;
    let axis = node.get_attr_opt::<i64>("axis")?.unwrap_or(if to_the_end { 1 } else { -1 });
    Ok((expand(LogSoftmax { axis, to_the_end }), vec![]))
}

impl Expansion for LogSoftmax {
    fn name(&self) -> StaticName {
        "LogSoftmax".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        s.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let rank = model.outlet_fact(inputs[0])?.rank();
        let axis = if self.axis < 0 { self.axis.checked_add(rank as i64) } else { Some(self.axis) };
        let axis = axis.and_then(|axis| usize::try_from(axis).ok()).filter(|axis| *axis < rank);
        let axis = axis.with_context(|| format!("axis {} of {rank} dimensions", self.axis))?;
        let axes = if self.to_the_end { (axis..rank).collect() } else { tvec!(axis) };
        let op = Softmax { axes, quant_output_dt: None, kind: SoftmaxKind::LogSoftmax };
        model.wire_node(prefix, op, inputs)
    }
}
