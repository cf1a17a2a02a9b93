//! Halves in single precision where tract adds them up as halves, and loses more than the last bit: in `Softmax`, and in
//! a `Conv` of groups, whose weights are few.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::wire_cast;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, engine};

/// An operator of tract's between casts, where halves go in.
#[derive(Debug, Clone)]
struct InSingle(Box<dyn Expansion>);

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    let (op, closures) = engine(context, node)?;
    let is_precise = node.op_type == "Conv" && node.get_attr_opt("group")?.unwrap_or(1_i64) == 1;
    match op.as_op().downcast_ref::<Box<dyn Expansion>>() {
        Some(engine) if !is_precise => Ok((expand(InSingle(engine.clone())), closures)),
        _ => Ok((op, closures)),
    }
}

impl Expansion for InSingle {
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
        let (half, single) = (f16::datum_type(), f32::datum_type());
        if model.outlet_fact(inputs[0])?.datum_type != half {
            return self.0.wire(prefix, model, inputs);
        }
        let mut wide = tvec!();
        for (index, input) in inputs.iter().enumerate() {
            let kind = model.outlet_fact(*input)?.datum_type;
            let kind = if kind == half { single } else { kind };
            wide.extend(wire_cast(format!("{prefix}.wide_{index}"), model, &[*input], kind)?);
        }
        let outputs = self.0.wire(&format!("{prefix}.single"), model, &wide)?;
        wire_cast(format!("{prefix}.given"), model, &outputs, half)
    }
}
