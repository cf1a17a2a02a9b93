//! `MatMul` (ONNX 13): tract's, and of two vectors, which it leaves out.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::matmul::MatMulInference;
use tract_onnx::tract_hir::tract_core::ops::{math, nn};

use super::kernel::Built;

#[derive(Debug, Clone)]
struct MatMul(MatMulInference);

pub(super) fn build(_: &ParsingContext, _: &NodeProto) -> Built {
    Ok((expand(MatMul(MatMulInference::default())), vec![]))
}

impl Expansion for MatMul {
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
        if inputs.iter().any(|input| model.outlet_fact(*input).is_ok_and(|fact| fact.rank() != 1)) {
            return self.0.wire(prefix, model, inputs);
        }
        let products = model.wire_node(format!("{prefix}.products"), math::mul(), inputs)?;
        let sum = nn::Reduce::new(tvec![0], nn::Reducer::Sum);
        let sum = model.wire_node(format!("{prefix}.sum"), sum, &products)?;
        model.wire_node(prefix, AxisOp::Rm(0), &sum)
    }
}
