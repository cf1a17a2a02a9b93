//! `ReduceMax` and `ReduceMin` of floating point numbers. tract starts from the largest finite number, so that the
//! largest of infinities below zero were a number.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_ndarray::Axis;
use tract_onnx::tract_hir::tract_num_traits::Float;

use super::kernel::Built;

/// tract's, with another kernel in the end.
#[derive(Debug, Clone)]
struct ReduceExtreme(Box<dyn Expansion>);

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    let register = tract_onnx::onnx().op_register;
    let builder = register.0.get(&node.op_type).context("tract has no such reduction")?;
    let (op, closures) = builder(context, node)?;
    let op = op.as_op().downcast_ref::<Box<dyn Expansion>>().context("no expansion")?;
    Ok((expand(ReduceExtreme(op.clone())), closures))
}

impl Expansion for ReduceExtreme {
    fn name(&self) -> StaticName {
        self.0.name()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.0.rules(s, inputs, outputs)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let before = model.nodes.len();
        let outputs = self.0.wire(prefix, model, inputs)?;
        if model.outlet_fact(inputs[0])?.datum_type.is_float() {
            for node in &mut model.nodes[before..] {
                let Some(Reduce { axes, reducer }) = node.op_as::<Reduce>() else { continue };
                node.op = Box::new(Extreme { axes: axes.clone(), largest: *reducer == Reducer::Max });
            }
        }
        Ok(outputs)
    }
}

/// The largest or smallest number over these axes, whose lengths become one. NaN where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Extreme {
    axes: TVec<usize>,
    largest: bool,
}

impl Op for Extreme {
    fn name(&self) -> StaticName {
        "Extreme".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Extreme {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let made = dispatch_floatlike!(Self::of(input.datum_type())(self, &input))?;
        Ok(tvec!(made.into_tvalue()))
    }
}

impl Extreme {
    fn of<T: Datum + Float>(&self, input: &Tensor) -> TractResult<Tensor> {
        let mut view = input.to_plain_array_view::<T>()?.into_owned();
        let end = if self.largest { T::neg_infinity() } else { T::infinity() };
        for axis in &self.axes {
            let further = |best: &T, x: &T| {
                let is_further = if self.largest { *x > *best } else { *x < *best };
                if is_further || x.is_nan() { *x } else { *best }
            };
            view = view.fold_axis(Axis(*axis), end, further).insert_axis(Axis(*axis));
        }
        Ok(view.into_tensor())
    }
}

impl TypedOp for Extreme {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape = inputs[0].shape.to_tvec();
        for axis in &self.axes {
            *shape.get_mut(*axis).context("an axis that is not there")? = 1.to_dim();
        }
        Ok(tvec!(inputs[0].datum_type.fact(&*shape)))
    }

    as_op!();
}
