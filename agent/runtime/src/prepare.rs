//! From a graph that was read to a plan that runs.

use std::sync::Arc;

use tract_onnx::pb;
use tract_onnx::tract_core::optim::Optimizer;
use tract_onnx::tract_hir::internal::{
    Framework, InferenceModelExt, RunOptions, TractError, TractResult, TypedModel, TypedRunnableModel,
};

use crate::error::LoadError;
use crate::rewrite::{self, Axes, Naming};
use crate::{bounds, branches, convolutions, direct, guard::guarded, loops, operators, steps};

/// Most changes that simplify a graph: so many, and more for each of its nodes. A stopped graph is right, if slower.
const LEAST_CHANGES: usize = 1000;
const CHANGES_PER_NODE: usize = 16;

/// A plan, and which free dimensions of its inputs have the same length.
pub struct Prepared {
    /// The plan.
    pub plan: Arc<TypedRunnableModel>,
    /// The symbols of its inputs' free dimensions.
    pub axes: Axes,
    /// Whether it cannot panic.
    pub is_safe: bool,
}

/// Prepares a graph. If the names that its free dimensions have do not allow it, all first ones are the batch.
pub fn prepare(mut model: pb::ModelProto) -> Result<Prepared, LoadError> {
    rewrite::plain(&mut model);
    let kept = rewrite::axes(&model, Naming::Kept);
    let one_batch = rewrite::axes(&model, Naming::OneBatch);
    let same = kept == one_batch;
    if same {
        return plan(model, kept);
    }
    match plan(model.clone(), kept) {
        Err(first @ LoadError::Engine { .. }) => plan(model, one_batch).map_err(|_| first),
        done => done,
    }
}

/// Prepares a graph whose free dimensions have these symbols.
pub fn plan(mut model: pb::ModelProto, axes: Axes) -> Result<Prepared, LoadError> {
    rewrite::name_axes(&mut model, &axes);
    let engine = |reason| LoadError::Engine { reason };
    let plan = guarded(move || -> Result<_, LoadError> {
        let failed = |error: TractError| engine(chain(&error));
        branches::settle(&mut model);
        if loops::unroll(&mut model) {
            branches::settle(&mut model);
        }
        let mut graph = operators::framework()
            .with_ignore_output_types(true)
            .with_ignore_value_info(true)
            .model_for_proto_model(&model)
            .map_err(failed)?;
        bounds::check(&mut graph, &model)?;
        let mut graph = graph.into_typed().map_err(failed)?;
        steps::pair(&mut graph).map_err(failed)?;
        convolutions::replace(&mut graph).map_err(failed)?;
        declutter(&mut graph).map_err(failed)?;
        operators::missing::keep(&mut graph).map_err(failed)?;
        bounds::check_typed(&graph)?;
        if is_dangling(&graph) {
            return Err(engine("it has lengths that no input tells".into()));
        }
        graph.optimize().map_err(failed)?;
        graph.into_runnable_with_options(&RunOptions::default()).map_err(failed)
    });
    let plan = plan.map_err(engine)??;
    let is_safe = direct::is_safe(plan.model());
    Ok(Prepared { plan, axes, is_safe })
}

/// Simplifies a graph. A few of them the engine would change to and fro without an end.
pub fn declutter(graph: &mut TypedModel) -> TractResult<()> {
    let most = LEAST_CHANGES + CHANGES_PER_NODE * graph.nodes.len();
    Optimizer::declutter().stopping_at(most).optimize(graph)
}

/// Whether a length is a symbol of a scope that is gone: the engine forgets some that it made itself, and then fails in
/// every run.
fn is_dangling(graph: &TypedModel) -> bool {
    let shapes = graph.nodes().iter().flat_map(|node| &node.outputs).map(|output| &output.fact.shape);
    shapes.flat_map(|shape| shape.iter()).flat_map(|dim| dim.symbols()).any(|symbol| symbol.scope().is_none())
}

/// An error with its causes, as one line.
pub fn chain(error: &TractError) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
