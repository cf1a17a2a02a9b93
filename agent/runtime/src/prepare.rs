//! From a graph that was read to a plan that runs.

use std::sync::Arc;

use tract_onnx::pb;
use tract_onnx::tract_hir::internal::{
    Framework, InferenceModelExt, RunOptions, TractError, TypedRunnableModel,
};

use crate::error::LoadError;
use crate::rewrite::{self, Axes, Naming};
use crate::{bounds, branches, convolutions, guard::guarded, operators};

/// A plan, and which free dimensions of its inputs have the same length.
pub struct Prepared {
    /// The plan.
    pub plan: Arc<TypedRunnableModel>,
    /// The symbols of its inputs' free dimensions.
    pub axes: Axes,
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
        let mut graph = operators::framework()
            .with_ignore_output_types(true)
            .with_ignore_value_info(true)
            .model_for_proto_model(&model)
            .map_err(failed)?;
        bounds::check(&mut graph)?;
        let graph = graph.into_typed().and_then(convolutions::replace).map_err(failed)?;
        let mut graph = graph.into_decluttered().map_err(failed)?;
        operators::missing::keep(&mut graph).map_err(failed)?;
        bounds::check_typed(&graph)?;
        graph.optimize().map_err(failed)?;
        graph.into_runnable_with_options(&RunOptions::default()).map_err(failed)
    });
    Ok(Prepared { plan: plan.map_err(engine)??, axes })
}

/// An error with its causes, as one line.
pub fn chain(error: &TractError) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
