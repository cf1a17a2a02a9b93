//! `Range` (ONNX 11): tract's, and of start, limit and step that are lists of one number.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::array;

use super::kernel::Built;

#[derive(Debug, Clone)]
struct Range;

pub(super) fn build(_: &ParsingContext, _: &NodeProto) -> Built {
    Ok((expand(Range), vec![]))
}

impl Expansion for Range {
    fn name(&self) -> StaticName {
        "Range".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 3)?;
        s.given_all(inputs.iter().map(|input| &input.rank), move |s, ranks| {
            if ranks.iter().all(|rank| *rank == 0) {
                return array::Range.rules(s, inputs, outputs);
            }
            s.equals(&outputs[0].rank, 1)?;
            s.equals_all(inputs.iter().chain(outputs).map(|tensor| (&tensor.datum_type).bex()).collect())?;
            // The length is told before the numbers are computed, so that one without end is refused.
            s.given_all(inputs.iter().map(|input| &input.value), move |s, values| {
                let number = |value: &Arc<Tensor>| value.cast_to_scalar::<f64>();
                let [start, limit, step] = &values[..] else { return Ok(()) };
                let count = (number(limit)? - number(start)?) / number(step)?;
                s.equals(&outputs[0].shape[0], (count.ceil().max(0.0) as i64).to_dim())
            })
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let mut numbers: TVec<OutletId> = inputs.into();
        for (slot, number) in numbers.iter_mut().enumerate() {
            for axis in 0..model.outlet_fact(*number)?.rank() {
                *number = model.wire_node(format!("{prefix}.{slot}.{axis}"), AxisOp::Rm(0), &[*number])?[0];
            }
        }
        array::Range.wire(prefix, model, &numbers)
    }
}
