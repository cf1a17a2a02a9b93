//! `Pad` (ONNX 11 and later) with a value that is a vector of one, as some write it, and with lengths that are told of
//! every axis. tract reads neither, nor whether amounts and axes can be.

use tract_onnx::model::{ParsingContext, optional_inputs};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, engine};

#[derive(Debug, Clone)]
struct Pad {
    engine: Box<dyn Expansion>,
    value: Option<usize>,
    axes: Option<usize>,
}

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    let (op, closures) = engine(context, node)?;
    // Before version 11 it is another operator, with attributes for inputs.
    let Some(engine) = op.as_op().downcast_ref::<Box<dyn Expansion>>().cloned() else {
        return Ok((op, closures));
    };
    let mut places = optional_inputs(node).skip(2);
    let mut next = || places.next().flatten();
    let (value, axes) = (next(), next());
    Ok((expand(Pad { engine, value, axes }), closures))
}

/// What is added before and after each of `rank` axes.
fn amounts(rank: usize, pads: &Tensor, axes: Option<&Tensor>) -> TractResult<Vec<(TDim, TDim)>> {
    let pads = pads.cast_to::<TDim>()?;
    let pads = pads.try_as_plain_ram()?;
    let pads = pads.as_slice::<TDim>()?;
    let axes: Vec<i64> = match axes {
        Some(axes) => axes.cast_to::<i64>()?.try_as_plain_ram()?.as_slice::<i64>()?.to_vec(),
        None => (0..rank as i64).collect(),
    };
    ensure!(pads.len() == 2 * axes.len(), "{} amounts for {} axes", pads.len(), axes.len());
    ensure!(
        pads.iter().all(|amount| amount.to_i64().is_ok_and(|amount| amount >= 0)),
        "amounts of {pads:?}: cut with Slice what shall go"
    );
    let mut amounts = vec![(0.to_dim(), 0.to_dim()); rank];
    for (index, axis) in axes.iter().enumerate() {
        let place = if *axis < 0 { axis.checked_add(rank as i64) } else { Some(*axis) };
        let amount = place.and_then(|place| amounts.get_mut(usize::try_from(place).ok()?));
        let amount = amount.with_context(|| format!("axis {axis} of {rank} dimensions"))?;
        *amount = (pads[index].clone(), pads[index + axes.len()].clone());
    }
    Ok(amounts)
}

impl Expansion for Pad {
    fn name(&self) -> StaticName {
        "Pad".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2 + usize::from(self.value.is_some()) + usize::from(self.axes.is_some()))?;
        check_output_arity(outputs, 1)?;
        s.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        s.equals(&inputs[0].rank, &outputs[0].rank)?;
        if let Some(value) = self.value {
            s.equals(&inputs[0].datum_type, &inputs[value].datum_type)?;
        }
        let tell =
            move |s: &mut Solver<'r>, shape: TVec<TDim>, pads: Arc<Tensor>, axes: Option<Arc<Tensor>>| {
                let amounts = amounts(shape.len(), &pads, axes.as_deref())?;
                let padded =
                    shape.iter().zip(amounts).map(|(dim, (before, after))| dim.clone() + before + after);
                s.equals(&outputs[0].shape, padded.collect::<TVec<TDim>>())
            };
        match self.axes {
            Some(axes) => s.given_3(
                &inputs[0].shape,
                &inputs[1].value,
                &inputs[axes].value,
                move |s, shape, pads, axes| tell(s, shape, pads, Some(axes)),
            ),
            None => s.given_2(&inputs[0].shape, &inputs[1].value, move |s, shape, pads| {
                tell(s, shape, pads, None)
            }),
        }
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let known = |slot: usize, what: &str| {
            let konst = model.outlet_fact(inputs[slot])?.konst.clone();
            konst.with_context(|| format!("the {what} of a Pad must be constants"))
        };
        let pads = known(1, "amounts")?;
        let axes = self.axes.map(|axes| known(axes, "axes")).transpose()?;
        amounts(model.outlet_fact(inputs[0])?.rank(), &pads, axes.as_deref())?;
        let mut inputs: TVec<OutletId> = inputs.into();
        if let Some(slot) = self.value {
            let konst = model.outlet_fact(inputs[slot])?.konst.clone();
            let value = konst.context("the value of a Pad must be a constant")?;
            ensure!(value.len() == 1, "a Pad with {} values", value.len());
            let scalar = value.into_tensor().into_shape(&[])?;
            inputs[slot] = model.add_const(format!("{prefix}.value"), scalar)?;
        }
        self.engine.wire(prefix, model, &inputs)
    }
}
