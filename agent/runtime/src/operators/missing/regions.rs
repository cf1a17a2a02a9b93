//! The largest and smallest of an axis or a window.

use tract_onnx::tract_core::ops::cnn::MaxPool;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_ndarray::Zip;
use tract_onnx::tract_hir::tract_num_traits::Float;

use super::missing;

/// Takes what went into an operator and what came out, and gives the latter with NaN wherever NaN went in.
/// The operator itself stays as it is, for tract to prepare.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeepMissing {
    /// Of ones among zeros, it gives more than zero wherever a one went in.
    spread: Box<dyn TypedOp>,
}

pub(super) fn patch(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    let spread: Box<dyn TypedOp> = match node.op_as::<Reduce>() {
        Some(Reduce { axes, reducer: Reducer::Max | Reducer::Min }) => {
            Box::new(Reduce::new(axes.clone(), Reducer::Max))
        }
        _ if node.op_is::<MaxPool>() => node.op.clone(),
        _ => return Ok(None),
    };
    if !model.outlet_fact(node.inputs[0])?.datum_type.is_float() {
        return Ok(None);
    }
    let mut patch = TypedModelPatch::default();
    let input = patch.tap_model(model, node.inputs[0])?;
    let output = patch.tap_model(model, node.id.into())?;
    let kept = patch.wire_node(format!("{}.kept", node.name), KeepMissing { spread }, &[input, output])?[0];
    patch.shunt_outside(model, node.id.into(), kept)?;
    Ok(Some(patch))
}

impl Op for KeepMissing {
    fn name(&self) -> StaticName {
        "KeepMissing".into()
    }

    op_as_typed_op!();
}

impl EvalOp for KeepMissing {
    op_out_of_plan!();

    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (input, output) = args_2!(inputs);
        let datum_type = input.datum_type();
        let places = dispatch_floatlike!(missing(datum_type)(&input))?;
        if places.is_empty() {
            return Ok(tvec!(output));
        }
        let mut output = output.into_tensor();
        dispatch_floatlike!(mark(datum_type)(self, context, input.shape(), &places, &mut output))?;
        Ok(tvec!(output.into_tvalue()))
    }
}

fn mark<T: Datum + Float>(
    op: &KeepMissing,
    context: &EvalContext,
    shape: &[usize],
    places: &[usize],
    output: &mut Tensor,
) -> TractResult<()> {
    let mut ones = Tensor::zero::<T>(shape)?;
    let mut plain = ones.try_as_plain_ram_mut()?;
    let values = plain.as_slice_mut::<T>()?;
    places.iter().for_each(|place| values[*place] = T::one());
    let spread = op.spread.eval(context, tvec!(ones.into_tvalue()))?;
    let mut output = output.try_as_plain_ram_mut()?;
    let marks = spread[0].to_plain_array_view::<T>()?;
    Zip::from(output.to_array_view_mut::<T>()?).and(marks).for_each(|value, mark| {
        if *mark > T::zero() {
            *value = T::nan();
        }
    });
    Ok(())
}

impl TypedOp for KeepMissing {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[1].without_value()))
    }

    as_op!();
}
