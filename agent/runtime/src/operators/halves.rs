//! `Conv` and `Softmax` of halves in single precision. tract adds halves up as halves, and loses more than the last bit.

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
    match op.as_op().downcast_ref::<Box<dyn Expansion>>() {
        Some(expansion) => Ok((expand(InSingle(expansion.clone())), closures)),
        None => Ok((op, closures)),
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
