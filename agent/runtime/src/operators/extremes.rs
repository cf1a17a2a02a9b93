//! What `ReduceMax` and `ReduceMin` do with floating point numbers. tract starts from the largest finite number, so that the
//! largest of infinities below zero were a number.

use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_ndarray::Axis;
use tract_onnx::tract_hir::tract_num_traits::Float;

/// The largest or smallest number over these axes, whose lengths become one. NaN where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extreme {
    pub axes: TVec<usize>,
    pub largest: bool,
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
