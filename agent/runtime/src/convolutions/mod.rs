//! Convolutions and fully connected layers by kernels of our own, with what follows them folded in.
//!
//! tract lays pictures out with their channels first and does the activation after a convolution in a pass of its own,
//! for NaN's sake; ours want the channels last and heed NaN. In reading order: [`operator`] is the node that runs,
//! [`draft`] reads one out of a graph with the normalisation, the sum and the bounds that follow, [`layout`] writes the
//! graph anew with channels last from one such node to the next; [`spare`] keeps answers that were read for the next call.
//!
//! What is not read here stays with tract: groups that are neither one nor as many as channels, three axes, other types
//! than single precision, weights or lengths that are not known beforehand (`docs/decisions/024-kernels-of-our-own.md`).

mod draft;
mod layout;
mod operator;
mod spare;

use tract_onnx::tract_hir::internal::*;

/// Puts our kernels into the graph, where the processor has vectors for them. What cannot be written anew stays as it is.
pub(crate) fn replace(model: &mut TypedModel) -> TractResult<()> {
    if !dunlin_kernels::is_vectorised() || !model.nodes.iter().any(draft::may_be_read) {
        return Ok(());
    }
    model.prop_consts()?;
    let rewritten = layout::rewrite(model);
    debug_assert!(rewritten.is_ok(), "{rewritten:?}");
    if let Ok(rewritten) = rewritten {
        *model = rewritten;
    }
    Ok(())
}

/// Whether a node runs one of our kernels.
pub(crate) fn is_ours(node: &TypedNode) -> bool {
    node.op_is::<operator::ChannelsLast>()
}
