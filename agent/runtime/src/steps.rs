//! Quantizations that are undone at once.
//!
//! Networks of 8 bits come as layers in single precision with `QuantizeLinear` and `DequantizeLinear` between them, or are
//! written so by [`crate::quantized`]. The two together settle numbers to the steps of a scale: one operator does that, which
//! a layer before it can take in.

use dunlin_kernels::Bounds;
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_hir::internal::*;

use crate::operators::{dequantize_linear, quantize_linear};

/// Settles each number to the nearest step.
#[derive(Debug, Clone)]
struct Settle(Bounds);

impl PartialEq for Settle {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// Bounds are no NaN.
impl Eq for Settle {}

impl ElementWiseMiniOp for Settle {
    fn name(&self) -> String {
        "Settle".into()
    }

    /// What is settled stays so: tensors that are only handed on are quantized again and again.
    fn declutter(&self, model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
        let is_settled = settled(model.node(node.inputs[0].node)) == Some(self.0);
        if is_settled { TypedModelPatch::shunt_one_op(model, node) } else { Ok(None) }
    }

    fn eval_in_place(&self, tensor: &mut Tensor, _: Option<DatumType>) -> TractResult<()> {
        let mut plain = tensor.try_as_plain_ram_mut()?;
        self.0.settle(plain.as_slice_mut::<f32>()?);
        Ok(())
    }
}

/// The steps that a node settles its input to.
pub(crate) fn settled(node: &TypedNode) -> Option<Bounds> {
    let op = node.op_as::<ElementWiseOp>()?;
    op.0.downcast_ref::<Settle>().map(|settle| settle.0)
}

/// Puts one operator in the place of each pair.
pub(crate) fn pair(model: &mut TypedModel) -> TractResult<()> {
    if !model.nodes.iter().any(quantize_linear::is_one) {
        return Ok(());
    }
    model.prop_consts()?;
    let quantizers: Vec<usize> =
        model.nodes.iter().filter(|node| quantize_linear::is_one(node)).map(|node| node.id).collect();
    for id in quantizers {
        let Some(bounds) = quantize_linear::bounds(model, model.node(id))? else { continue };
        let undone: Vec<OutletId> = model
            .outlet_successors(id.into())
            .iter()
            .filter(|next| next.slot == 0)
            .map(|next| next.node)
            .filter(|next| dequantize_linear::undoes(model, model.node(*next), model.node(id)))
            .map(OutletId::from)
            .collect();
        if undone.is_empty() {
            continue;
        }
        let mut patch = TypedModelPatch::default();
        let node = model.node(id);
        let from = patch.tap_model(model, node.inputs[0])?;
        let name = format!("{}.steps", node.name);
        let made = patch.wire_node(name, ElementWiseOp(Box::new(Settle(bounds)), None), &[from])?[0];
        for outlet in undone {
            patch.shunt_outside(model, outlet, made)?;
        }
        patch.apply(model)?;
    }
    Ok(())
}
