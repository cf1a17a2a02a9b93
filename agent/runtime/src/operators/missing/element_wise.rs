//! Functions of one value, but for the steps of quantized tensors, which keep NaN by themselves.

use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_num_traits::Float;

use super::missing;
use crate::steps;

/// The function inside, and NaN for NaN.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeepMissing(Box<dyn ElementWiseMiniOp>);

pub(super) fn patch(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    let Some(op) = node.op_as::<ElementWiseOp>() else { return Ok(None) };
    let datum_type = model.outlet_fact(node.inputs[0])?.datum_type;
    if steps::settled(node).is_some() {
        return Ok(None);
    }
    let to_itself = op.1.is_none() && op.0.output_type(datum_type).is_none();
    if !datum_type.is_float() || !to_itself {
        return Ok(None);
    }
    let kept = ElementWiseOp(Box::new(KeepMissing(op.0.clone())), None);
    TypedModelPatch::replace_single_op(model, node, &node.inputs, kept).map(Some)
}

impl ElementWiseMiniOp for KeepMissing {
    fn name(&self) -> String {
        self.0.name()
    }

    fn validation(&self) -> Validation {
        self.0.validation()
    }

    fn eval_in_place(&self, tensor: &mut Tensor, out: Option<DatumType>) -> TractResult<()> {
        fn fill<T: Datum + Float>(tensor: &mut Tensor, places: &[usize]) -> TractResult<()> {
            let mut plain = tensor.try_as_plain_ram_mut()?;
            let values = plain.as_slice_mut::<T>()?;
            places.iter().for_each(|place| values[*place] = T::nan());
            Ok(())
        }
        let datum_type = tensor.datum_type();
        let places = dispatch_floatlike!(missing(datum_type)(tensor))?;
        self.0.eval_in_place(tensor, out)?;
        if places.is_empty() { Ok(()) } else { dispatch_floatlike!(fill(datum_type)(tensor, &places)) }
    }
}
