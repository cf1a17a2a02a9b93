//! `ReduceMax` and `ReduceMin` of floating point numbers. tract starts from the largest finite number, so that the
//! largest of infinities below zero were a number.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_ndarray::Axis;
use tract_onnx::tract_hir::tract_num_traits::Float;

use super::kernel::{Built, engine};

/// tract's, with another kernel in the end.
#[derive(Debug, Clone)]
struct ReduceExtreme(Box<dyn Expansion>);

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    let (op, closures) = engine(context, node)?;
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
        if !model.outlet_fact(inputs[0])?.datum_type.is_float() {
            return self.0.wire(prefix, model, inputs);
        }
        // tract wires it aside, and without the numbers: it would compute what is known of them at once.
        let mut aside = TypedModel { symbols: model.symbols.clone(), ..TypedModel::default() };
        let mut places = HashMap::new();
        let mut sources = tvec!();
        for (index, input) in inputs.iter().enumerate() {
            let fact = model.outlet_fact(*input)?;
            let fact = if index == 0 { fact.without_value() } else { fact.clone() };
            let source = aside.add_source(format!("{prefix}.source_{index}"), fact)?;
            places.insert(source, *input);
            sources.push(source);
        }
        let outputs = self.0.wire(prefix, &mut aside, &sources)?;
        for node in aside.nodes.iter().skip(inputs.len()) {
            let op: Box<dyn TypedOp> = match node.op_as::<Reduce>() {
                Some(Reduce { axes, reducer }) => {
                    Box::new(Extreme { axes: axes.clone(), largest: *reducer == Reducer::Max })
                }
                None => node.op.clone(),
            };
            let inputs: Option<TVec<OutletId>> =
                node.inputs.iter().map(|input| places.get(input).copied()).collect();
            let made = model.wire_node(&node.name, op, &inputs.context("a node before its input")?)?;
            places.extend(
                made.iter().enumerate().map(|(slot, outlet)| (OutletId::new(node.id, slot), *outlet)),
            );
        }
        let made: Option<TVec<OutletId>> = outputs.iter().map(|outlet| places.get(outlet).copied()).collect();
        made.context("an output that no node gives")
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
