//! Loading a model once and running it many times.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dunlin_protocol::spec::{InputSpec, ModelSpec};
use dunlin_protocol::tensor::Tensor;
use tract_onnx::tract_hir::internal::{
    DimLike, Framework, InferenceModelExt, IntoTValue, RunOptions, TVec, TractResult, TypedRunnableModel,
    tvec,
};

use crate::error::{LoadError, RunError};
use crate::{convert, inspect, operators, proto, rewrite, spec};

/// A model ready to run. Shared between threads as it is.
#[derive(Clone)]
pub struct Model {
    plan: Arc<TypedRunnableModel>,
    spec: Arc<ModelSpec>,
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
        let read = proto::read(onnx)?;
        let unsupported = inspect::unsupported(&read);
        if !unsupported.is_empty() {
            return Err(LoadError::Unsupported { nodes: unsupported });
        }
        let mut found = spec::infer(&read)?;
        let plain = rewrite::plain(read);
        // The engine asserts on some malformed graphs where it could return an error.
        let plan = catch_unwind(AssertUnwindSafe(|| prepare(&plain)))
            .map_err(|_| LoadError::Engine { reason: "the engine gave up on it".into() })?
            .map_err(|error| LoadError::Engine { reason: chain(&error) })?;
        refine_outputs(&plan, &mut found)?;
        let spec = match spec {
            Some(given) => {
                spec::check_fits(given, &found)?;
                given.clone()
            }
            None => found,
        };
        Ok(Self { plan, spec: Arc::new(spec) })
    }

    /// What the model takes and gives.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Runs one batch. Inputs are found by name, in any order; outputs come in the graph's order.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        let expected = || spec::describe_inputs(&self.spec);
        let mut values: TVec<_> = tvec!();
        let mut batch: Option<(&str, usize)> = None;
        for want in &self.spec.inputs {
            let given = inputs
                .iter()
                .find(|tensor| tensor.name == want.name)
                .ok_or_else(|| RunError::MissingInput { input: want.name.clone(), expected: expected() })?;
            check_shape(want, given)?;
            if want.shape.first() == Some(&None) {
                match batch {
                    Some((_, rows)) if rows != given.shape[0] => {
                        return Err(shape_error(want, given, "give every input the same number of rows"));
                    }
                    _ => batch = Some((&want.name, given.shape[0])),
                }
            }
            values.push(convert::into_engine(given, want.datatype)?.into_tvalue());
        }
        if inputs.len() > self.spec.inputs.len() {
            let extra = inputs.iter().enumerate().find(|(index, tensor)| {
                inputs[..*index].iter().any(|earlier| earlier.name == tensor.name)
                    || self.spec.inputs.iter().all(|want| want.name != tensor.name)
            });
            let input = extra.map(|(_, tensor)| tensor.name.clone()).unwrap_or_default();
            return Err(RunError::UnknownInput { input, expected: expected() });
        }
        let failed = |error: &dyn std::fmt::Display| RunError::Engine { reason: error.to_string() };
        // The engine asserts on some graphs where it could return an error.
        let outputs = catch_unwind(AssertUnwindSafe(|| self.plan.run(values)))
            .map_err(|_| failed(&"the engine gave up on it"))?
            .map_err(|error| failed(&chain(&error)))?;
        let named = outputs.iter().zip(&self.spec.outputs);
        named
            .map(|(value, output)| convert::from_engine(&output.name, value).map_err(|e| failed(&e)))
            .collect()
    }

    /// The engine's plan, for measuring what this crate adds to a bare call.
    #[doc(hidden)]
    pub fn plan(&self) -> &Arc<TypedRunnableModel> {
        &self.plan
    }
}

fn chain(error: &tract_onnx::tract_hir::internal::TractError) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn prepare(model: &tract_onnx::pb::ModelProto) -> TractResult<Arc<TypedRunnableModel>> {
    let mut graph = operators::framework()
        .with_ignore_output_types(true)
        .with_ignore_value_info(true)
        .model_for_proto_model(model)?
        .into_typed()?
        .into_decluttered()?;
    operators::missing::keep(&mut graph)?;
    graph.optimize()?;
    graph.into_runnable_with_options(&RunOptions::default())
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
    if given.data.is_empty() {
        return Err(shape_error(want, given, "send at least one row"));
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
