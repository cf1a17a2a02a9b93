//! Loading a model once and running it many times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dunlin_protocol::spec::{InputSpec, ModelSpec};
use dunlin_protocol::tensor::Tensor;
use tract_onnx::tract_hir::internal::{
    DimLike, IntoTValue, IntoTensor, TVec, TractError, TractResult, TypedRunnableModel, tvec,
};

use crate::error::{LoadError, RunError};
use crate::late::Late;
use crate::prepare::{Prepared, chain, prepare};
use crate::rewrite::{self, Axes, Naming};
use crate::{convert, guard::guarded, inspect, proto, spec};

/// A model ready to run. Shared between threads as it is.
#[derive(Clone)]
pub struct Model {
    plan: Plan,
    spec: Arc<ModelSpec>,
    axes: Arc<Axes>,
    /// Whether no call can panic, so that it needs no guard.
    is_safe: bool,
    /// Whether the engine gave up on inputs without elements. Each time costs a thread, so it gets none again.
    gave_up_on_empty: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Plan {
    Ready(Arc<TypedRunnableModel>),
    Late(Arc<Late>),
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Model {
    /// Prepares an ONNX file for running. `spec` is the bundle's, and must fit the graph; without one it is
    /// inferred from the graph.
    pub fn load(onnx: &[u8], spec: Option<&ModelSpec>) -> Result<Self, LoadError> {
        let read = rewrite::lowered(proto::read(onnx)?)?;
        let unsupported = inspect::unsupported(&read);
        if !unsupported.is_empty() {
            return Err(LoadError::Unsupported { nodes: unsupported });
        }
        let mut found = spec::infer(&read)?;
        let (plan, axes, is_safe) = match prepare(read) {
            Ok(Prepared { plan, axes, is_safe }) => {
                refine_outputs(&plan, &mut found)?;
                (Plan::Ready(plan), axes, is_safe)
            }
            Err(error @ LoadError::Engine { .. }) if Late::may_help(&found) => {
                // Read once more rather than kept: most models never come here.
                let again = rewrite::lowered(proto::read(onnx)?)?;
                let axes = rewrite::axes(&again, Naming::Kept);
                let Some(late) = Late::new(again, &found) else { return Err(error) };
                (Plan::Late(Arc::new(late)), axes, false)
            }
            Err(error) => return Err(error),
        };
        let spec = match spec {
            Some(given) => {
                spec::check_fits(given, &found)?;
                given.clone()
            }
            None => found,
        };
        let (spec, axes) = (Arc::new(spec), Arc::new(axes));
        Ok(Self { plan, spec, axes, is_safe, gave_up_on_empty: Arc::default() })
    }

    /// What the model takes and gives.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Runs one batch. Inputs are found by name, in any order; outputs come in the graph's order.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        let expected = || spec::describe_inputs(&self.spec);
        let mut sorted: TVec<&Tensor> = tvec!();
        let mut lengths: TVec<Option<usize>> = tvec!();
        for (want, symbols) in self.spec.inputs.iter().zip(self.axes.iter()) {
            let given = inputs
                .iter()
                .find(|tensor| tensor.name == want.name)
                .ok_or_else(|| RunError::MissingInput { input: want.name.clone(), expected: expected() })?;
            check_shape(want, given)?;
            check_lengths(want, given, symbols, &mut lengths)?;
            if given.data.is_empty() && self.gave_up_on_empty.load(Ordering::Relaxed) {
                return Err(shape_error(want, given, "this model takes no input without elements"));
            }
            sorted.push(given);
        }
        let is_empty = sorted.iter().any(|given| given.data.is_empty());
        if inputs.len() > self.spec.inputs.len() {
            let extra = inputs.iter().enumerate().find(|(index, tensor)| {
                inputs[..*index].iter().any(|earlier| earlier.name == tensor.name)
                    || self.spec.inputs.iter().all(|want| want.name != tensor.name)
            });
            let input = extra.map(|(_, tensor)| tensor.name.clone()).unwrap_or_default();
            return Err(RunError::UnknownInput { input, expected: expected() });
        }
        let failed = |error: &dyn std::fmt::Display| RunError::Engine { reason: error.to_string() };
        let (plan, is_part) = match &self.plan {
            Plan::Ready(plan) => (plan.clone(), Vec::new()),
            Plan::Late(late) => late.plan(&self.exact(&sorted)?).map_err(|error| failed(&error))?,
        };
        let mut values: TVec<_> = tvec!();
        for (index, (want, given)) in self.spec.inputs.iter().zip(sorted).enumerate() {
            if !is_part.get(index).copied().unwrap_or(false) {
                values.push(convert::into_engine(given, want.datatype)?);
            }
        }
        let run = move || -> TractResult<TVec<_>> {
            let outputs = plan.run(values.into_iter().map(IntoTValue::into_tvalue).collect())?;
            Ok(outputs.into_iter().map(IntoTensor::into_tensor).collect())
        };
        let outputs = if self.is_safe && !is_empty {
            run()
        } else {
            guarded(run).map_err(|reason| {
                self.gave_up_on_empty.fetch_or(is_empty, Ordering::Relaxed);
                failed(&reason)
            })?
        };
        let outputs = outputs.map_err(|error| failed(&chain(&error)))?;
        let named = outputs.iter().zip(&self.spec.outputs);
        named
            .map(|(value, output)| convert::from_engine(&output.name, value).map_err(|e| failed(&e)))
            .collect()
    }

    /// The inputs in the types of the graph.
    fn exact(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, RunError> {
        let failed = |error: TractError| RunError::Engine { reason: chain(&error) };
        let each = inputs.iter().zip(&self.spec.inputs);
        each.map(|(given, want)| {
            let value = convert::into_engine(given, want.datatype)?;
            convert::from_engine(&want.name, &value).map_err(failed)
        })
        .collect()
    }

    /// Whether it is planned anew where lengths or small inputs of a call are others than before.
    pub fn is_planned_late(&self) -> bool {
        matches!(self.plan, Plan::Late(_))
    }

    /// The engine's plan, for measuring what this crate adds to a bare call.
    #[doc(hidden)]
    pub fn plan(&self) -> Option<&Arc<TypedRunnableModel>> {
        match &self.plan {
            Plan::Ready(plan) => Some(plan),
            Plan::Late(_) => None,
        }
    }
}

/// Takes types and shapes of the outputs from the prepared plan: what the file declares is often empty.
fn refine_outputs(plan: &TypedRunnableModel, spec: &mut ModelSpec) -> Result<(), LoadError> {
    let engine = |reason: String| LoadError::Engine { reason };
    let outlets = plan.model().output_outlets().map_err(|e| engine(e.to_string()))?;
    for (outlet, output) in outlets.iter().zip(&mut spec.outputs) {
        let fact = plan.model().outlet_fact(*outlet).map_err(|e| engine(e.to_string()))?;
        output.datatype =
            convert::datatype(fact.datum_type).unwrap_or(dunlin_protocol::tensor::Datatype::Fp64);
        output.shape = fact.shape.iter().map(|dim| dim.to_usize().ok()).collect();
    }
    spec::settle_roles(spec);
    Ok(())
}

fn check_shape(want: &InputSpec, given: &Tensor) -> Result<(), RunError> {
    if !given.is_consistent() {
        return Err(shape_error(want, given, "the number of elements is not the product of the shape"));
    }
    let fits = want.shape.len() == given.shape.len()
        && want.shape.iter().zip(&given.shape).all(|(want, given)| want.is_none_or(|want| want == *given));
    if !fits {
        return Err(shape_error(want, given, "send one row per answer with every feature in its column"));
    }
    // A list may be empty, and so may what stands between rows; of no rows there is nothing to answer.
    if want.shape.len() > 1 && want.shape[0].is_none() && given.shape[0] == 0 {
        return Err(shape_error(want, given, "send at least one row"));
    }
    Ok(())
}

/// Dimensions of one symbol have one length, over all inputs.
fn check_lengths(
    want: &InputSpec,
    given: &Tensor,
    symbols: &[Option<usize>],
    lengths: &mut TVec<Option<usize>>,
) -> Result<(), RunError> {
    for (axis, (symbol, length)) in symbols.iter().zip(&given.shape).enumerate() {
        let Some(symbol) = *symbol else { continue };
        if lengths.len() <= symbol {
            lengths.resize(symbol + 1, None);
        }
        if *lengths[symbol].get_or_insert(*length) != *length {
            let cure = if axis == 0 {
                "give every input the same number of rows"
            } else {
                "give dimensions that the model names alike the same length"
            };
            return Err(shape_error(want, given, cure));
        }
    }
    Ok(())
}

fn shape_error(want: &InputSpec, given: &Tensor, cure: &'static str) -> RunError {
    let found = given.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    RunError::Shape {
        input: want.name.clone(),
        found: format!("[{found}] with {} elements", given.data.len()),
        expected: spec::describe_shape(&want.shape),
        cure,
    }
}
