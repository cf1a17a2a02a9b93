//! What an operator of ours implements, and how tract sees it.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

/// An operator: types and shapes out of types and shapes, tensors out of tensors.
pub(crate) trait Kernel: Any + Debug + Send + Sync {
    /// ONNX name.
    fn name(&self) -> &'static str;

    /// Number of inputs that it takes, smallest and largest.
    fn arity(&self) -> (usize, usize) {
        (1, 1)
    }

    /// Number of outputs.
    fn outputs(&self) -> usize {
        1
    }

    /// Inputs whose values decide about shapes: they must be constants.
    fn deciding(&self) -> TVec<usize> {
        tvec![]
    }

    /// Type and shape of each output.
    fn facts(&self, _inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        bail!("{} has shapes that values decide", self.name())
    }

    /// The same, with the values of the deciding inputs in their order.
    fn facts_by(&self, inputs: &[Signature], _values: &[Arc<Tensor>]) -> TractResult<TVec<Signature>> {
        self.facts(inputs)
    }

    /// The outputs. Must not panic on any input of the shapes that `facts` took.
    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>>;
}

/// Element type and shape.
pub(crate) type Signature = (DatumType, TVec<TDim>);

/// What tract's register wants from a builder.
pub(crate) type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// tract's own operator of this name.
pub(crate) fn engine(context: &ParsingContext, node: &NodeProto) -> Built {
    let register = tract_onnx::onnx().op_register;
    let build = register.0.get(&node.op_type);
    build.with_context(|| format!("the engine has no {}", node.op_type))?(context, node)
}

/// A kernel as tract's inference operator.
pub(crate) fn built(kernel: impl Kernel) -> Built {
    Ok((expand(Native(Arc::new(kernel))), vec![]))
}

/// A kernel as one node of a typed graph, for operators that are wired of several.
pub(crate) fn wire(
    kernel: impl Kernel,
    name: &str,
    model: &mut TypedModel,
    inputs: &[OutletId],
) -> TractResult<TVec<OutletId>> {
    model.wire_node(name, Native(Arc::new(kernel)), inputs)
}

/// Whether a node runs a kernel of ours.
pub(crate) fn is_one(node: &TypedNode) -> bool {
    node.op_is::<Native>()
}

/// The kernel that a node runs, if it is of this kind.
pub(crate) fn of<K: Kernel>(node: &TypedNode) -> Option<&K> {
    let kernel: &dyn Any = &*node.op_as::<Native>()?.0;
    kernel.downcast_ref()
}

/// Gives the outputs their types and shapes once those of all inputs are known, and the values of the deciding ones.
pub(crate) fn infer<'r, 'p: 'r>(
    s: &mut Solver<'r>,
    inputs: &'p [TensorProxy],
    outputs: &'p [TensorProxy],
    deciding: TVec<usize>,
    facts: impl Fn(&[Signature], &[Arc<Tensor>]) -> TractResult<TVec<Signature>> + Clone + 'r,
) -> InferenceResult {
    s.given_all(inputs.iter().map(|input| &input.datum_type), move |s, types| {
        let (facts, deciding) = (facts.clone(), deciding.clone());
        s.given_all(inputs.iter().map(|input| &input.shape), move |s, shapes| {
            let signatures: Vec<Signature> = types.iter().copied().zip(shapes).collect();
            let facts = facts.clone();
            let deciding = deciding.iter().filter_map(|input| inputs.get(*input)).map(|input| &input.value);
            s.given_all(deciding, move |s, values| {
                for (output, (datum_type, shape)) in outputs.iter().zip(facts(&signatures, &values)?) {
                    s.equals(&output.datum_type, datum_type)?;
                    s.equals(&output.shape, shape)?;
                }
                Ok(())
            })
        })
    })
}

#[derive(Clone, Debug)]
struct Native(Arc<dyn Kernel>);

impl PartialEq for Native {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Native {}

impl Expansion for Native {
    fn name(&self) -> StaticName {
        self.0.name().into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.0.outputs())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        let (least, most) = self.0.arity();
        ensure!(
            (least..=most).contains(&inputs.len()),
            "{} takes {least} to {most} inputs, not {}",
            self.0.name(),
            inputs.len()
        );
        infer(s, inputs, outputs, self.0.deciding(), move |signatures, values| {
            self.0.facts_by(signatures, values)
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for Native {
    fn name(&self) -> StaticName {
        self.0.name().into()
    }

    op_as_typed_op!();
}

impl EvalOp for Native {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let inputs: TVec<&Tensor> = inputs.iter().map(|value| &**value).collect();
        Ok(self.0.run(&inputs)?.into_iter().map(IntoTValue::into_tvalue).collect())
    }
}

impl TypedOp for Native {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let signatures: Vec<Signature> =
            inputs.iter().map(|fact| (fact.datum_type, fact.shape.to_tvec())).collect();
        let deciding = self.0.deciding().into_iter().filter_map(|input| inputs.get(input));
        let values = deciding.map(|fact| fact.konst.clone()).collect::<Option<Vec<_>>>();
        let values = values.with_context(|| format!("{} needs constants", self.0.name()))?;
        let facts = self.0.facts_by(&signatures, &values)?;
        Ok(facts.into_iter().map(|(datum_type, shape)| datum_type.fact(&*shape)).collect())
    }

    as_op!();
}

/// Rows and columns of a tensor as the ML operators see it: a vector is one row.
pub(crate) fn matrix(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [columns] => (1, *columns),
        [rows, rest @ ..] => (*rows, rest.iter().product()),
    }
}

/// Number of rows, and of columns where that is known.
pub(crate) fn matrix_dims(shape: &[TDim]) -> (TDim, Option<usize>) {
    match shape {
        [] => (1.to_dim(), Some(1)),
        [columns] => (1.to_dim(), columns.to_usize().ok()),
        [rows, rest @ ..] => {
            // Lengths that a file declares may multiply to more than there are numbers.
            let columns =
                rest.iter().try_fold(1_usize, |columns, dim| columns.checked_mul(dim.to_usize().ok()?));
            (rows.clone(), columns)
        }
    }
}

/// Numbers of a tensor in single precision, converted where they are of another type.
pub(crate) fn with_floats<R>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> TractResult<R>) -> TractResult<R> {
    if tensor.datum_type() == f32::datum_type() {
        return work(tensor.try_as_plain_ram()?.as_slice::<f32>()?);
    }
    let converted = tensor.cast_to::<f32>()?;
    work(converted.try_as_plain_ram()?.as_slice::<f32>()?)
}

/// Refuses texts where numbers are taken.
pub(crate) fn numeric(name: &str, datum_type: DatumType) -> TractResult<()> {
    ensure!(datum_type != String::datum_type(), "{name} takes numbers, not texts");
    Ok(())
}
