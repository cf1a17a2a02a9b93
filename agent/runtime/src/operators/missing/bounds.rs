//! The larger and the smaller of two values; rectifiers and clipping are made of them.

use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_core::ops::math::{Max, Min};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_ndarray::Zip;
use tract_onnx::tract_hir::tract_num_traits::Float;

/// Which of two values is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extreme {
    Larger,
    Smaller,
}

impl Extreme {
    fn of<T: Datum + Float>(self, a: T, b: T) -> T {
        let first = match self {
            Extreme::Larger => a > b,
            Extreme::Smaller => a < b,
        };
        // A comparison with NaN is false: of `a` it is looked for, `b` is what is left.
        if first || a.is_nan() { a } else { b }
    }
}

/// The larger or smaller of a value and a bound that is no NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    extreme: Extreme,
    bound: f64,
}

impl Eq for Bound {}

/// max(0, x) as one operator.
pub(crate) fn rectifier() -> ElementWiseOp {
    ElementWiseOp(Box::new(Bound { extreme: Extreme::Larger, bound: 0.0 }), None)
}

pub(super) fn patch(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    let Some(op) = node.op_as::<TypedBinOp>() else { return Ok(None) };
    let extreme = if op.0.is::<Max>() {
        Extreme::Larger
    } else if op.0.is::<Min>() {
        Extreme::Smaller
    } else {
        return Ok(None);
    };
    let facts = model.node_input_facts(node.id)?;
    if !facts.iter().all(|fact| fact.datum_type.is_float() && fact.datum_type == facts[0].datum_type) {
        return Ok(None);
    }
    let output = model.outlet_fact(node.id.into())?;
    for (bound, value) in [(1, 0), (0, 1)] {
        let uniform = facts[bound].konst.as_ref().and_then(|constant| constant.as_uniform());
        let Some(uniform) = uniform.filter(|_| facts[value].shape == output.shape) else { continue };
        let bound = uniform.cast_to_scalar::<f64>()?;
        if !bound.is_nan() {
            let op = ElementWiseOp(Box::new(Bound { extreme, bound }), None);
            let inputs = [node.inputs[value]];
            return TypedModelPatch::replace_single_op(model, node, &inputs, op).map(Some);
        }
    }
    let op = TypedBinOp(Box::new(extreme), None);
    TypedModelPatch::replace_single_op(model, node, &node.inputs, op).map(Some)
}

impl ElementWiseMiniOp for Bound {
    fn name(&self) -> String {
        format!("{:?}", self.extreme)
    }

    fn eval_in_place(&self, tensor: &mut Tensor, _: Option<DatumType>) -> TractResult<()> {
        fn apply<T: Datum + Float>(bound: &Bound, tensor: &mut Tensor) -> TractResult<()> {
            let limit = T::from(bound.bound).context("a bound outside the type")?;
            let mut plain = tensor.try_as_plain_ram_mut()?;
            let values = plain.as_slice_mut::<T>()?.iter_mut();
            match bound.extreme {
                Extreme::Larger => values.for_each(|x| *x = if *x < limit { limit } else { *x }),
                Extreme::Smaller => values.for_each(|x| *x = if *x > limit { limit } else { *x }),
            }
            Ok(())
        }
        dispatch_floatlike!(apply(tensor.datum_type())(self, tensor))
    }
}

impl BinMiniOp for Extreme {
    fn name(&self) -> &'static str {
        match self {
            Extreme::Larger => "Larger",
            Extreme::Smaller => "Smaller",
        }
    }

    fn result_datum_type(&self, a: DatumType, b: DatumType) -> TractResult<DatumType> {
        self.operating_datum_type(a, b)
    }

    fn eval_in_a(&self, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
        fn apply<T: Datum + Float>(extreme: Extreme, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
            let mut a = a.try_as_plain_ram_mut()?;
            let a = a.to_array_view_mut::<T>()?;
            Zip::from(a)
                .and_broadcast(b.to_plain_array_view::<T>()?)
                .for_each(|a, b| *a = extreme.of(*a, *b));
            Ok(())
        }
        dispatch_floatlike!(apply(a.datum_type())(*self, a, b))
    }

    fn eval_out_of_place(&self, c: &mut Tensor, a: &Tensor, b: &Tensor) -> TractResult<()> {
        fn apply<T: Datum + Float>(
            extreme: Extreme,
            c: &mut Tensor,
            a: &Tensor,
            b: &Tensor,
        ) -> TractResult<()> {
            let mut c = c.try_as_plain_ram_mut()?;
            let c = c.to_array_view_mut::<T>()?;
            let (a, b) = (a.to_plain_array_view::<T>()?, b.to_plain_array_view::<T>()?);
            Zip::from(c).and_broadcast(a).and_broadcast(b).for_each(|c, a, b| *c = extreme.of(*a, *b));
            Ok(())
        }
        dispatch_floatlike!(apply(c.datum_type())(*self, c, a, b))
    }
}
