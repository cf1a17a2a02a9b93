//! What is missing stays missing.
//!
//! A failed sensor is NaN, and arithmetic hands NaN on to the answer. tract's kernels for activations, bounds and
//! maxima do not: they clamp, and NaN comes out as a number (the sigmoid of NaN as 4.5e-7), which later layers
//! turn into a confident answer. [`keep`] puts operators in their place that do. [`element_wise`] is for one
//! value each, [`bounds`] for the larger and the smaller of two, [`regions`] for those over an axis or a window.
//!
//! ONNX Runtime keeps NaN in all of these but in maxima over an axis, where its place decides, and over a
//! window, where it is passed over. It is kept there too: a number out of half a signal is no answer.

mod bounds;
mod element_wise;
mod regions;

use tract_onnx::tract_core::ops::logic::IfThenElse;
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_num_traits::Float;

pub(crate) use bounds::rectifier;

/// Replaces, in a decluttered graph and the graphs inside it, what loses NaN. Later than that, operators are
/// fused into others and no longer found.
pub(crate) fn keep(model: &mut TypedModel) -> TractResult<()> {
    for node in &mut model.nodes {
        if let Some(scan) = node.op.downcast_mut::<Scan>() {
            keep(&mut scan.body)?;
        } else if let Some(branches) = node.op.downcast_mut::<IfThenElse>() {
            keep(&mut branches.then_body)?;
            keep(&mut branches.else_body)?;
        }
    }
    for id in model.eval_order()? {
        for patch in [element_wise::patch, bounds::patch, regions::patch] {
            if let Some(patch) = patch(model, model.node(id))? {
                patch.apply(model)?;
                break;
            }
        }
    }
    model.compact()
}

/// Indices of the elements that are NaN. Nothing is allocated where none is.
fn missing<T: Datum + Float>(tensor: &Tensor) -> TractResult<Vec<usize>> {
    let plain = tensor.try_as_plain_ram()?;
    let values = plain.as_slice::<T>()?;
    // Without an early end, so that the check is done many elements at a time.
    if !values.iter().fold(false, |any, x| any | x.is_nan()) {
        return Ok(Vec::new());
    }
    Ok((0..values.len()).filter(|index| values[*index].is_nan()).collect())
}
