//! `LSTM`, `GRU` and `RNN`: tract's cells, with what it leaves out.
//!
//! tract reads neither the direction nor the activations of a recurrent node and wants a fixed batch. Here a
//! reversed sequence is turned around before and after, a free batch gets its initial state of zeros, and
//! activations are read where tract's cells can hold them. [`options`] says what then remains to be refused;
//! [`missing`] keeps NaN, which the cells' sigmoids would turn into a number.

mod missing;
mod options;
mod reverse;
mod zeros;

use tract_onnx::model::ParsingContext;
use tract_onnx::ops::rec::common::{CommonRec, WireBody};
use tract_onnx::ops::rec::{gru::GRU, lstm::LSTM, rnn::RNN};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::{math, nn};
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, wire};
pub(crate) use options::refusal;
use options::{Activation, Options};

#[derive(Debug, Clone)]
struct Recurrent {
    cell: CommonRec,
    reverse: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let options = Options::read(node)?;
    let is_reset_first =
        node.op_type == "GRU" && node.get_attr_opt::<i64>("linear_before_reset")?.unwrap_or(0) == 0;
    let function = |index: usize| -> Box<dyn TypedOp> {
        match options.activations[index] {
            Activation::Relu => Box::new(super::missing::rectifier()),
            // tract's own is off by 10⁻⁶ near 1, which a gate shows; only this cell has no faster form to lose.
            Activation::Sigmoid if is_reset_first => Box::new(super::activations::sigmoid()),
            Activation::Sigmoid => Box::new(nn::sigmoid()),
            Activation::Tanh => Box::new(math::tanh()),
        }
    };
    let body: Box<dyn WireBody> = match node.op_type.as_str() {
        "LSTM" => Box::new(LSTM { f: function(0), g: function(1), h: function(2) }),
        "GRU" => Box::new(GRU { f: function(0), g: function(1), linear_before_reset: !is_reset_first }),
        _ => Box::new(RNN { fore: function(0), back: function(0) }),
    };
    let cell = CommonRec::from_node_and_options(node, 3, 0, body)?;
    Ok((expand(Recurrent { cell, reverse: options.reverse }), vec![]))
}

impl Recurrent {
    /// The cell with an initial state of zeros for each state that the node does not give.
    fn with_zero_states(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &mut TVec<OutletId>,
    ) -> TractResult<CommonRec> {
        let mut cell = self.cell.clone();
        let weights = model.outlet_fact(inputs[2])?.shape.clone();
        let (directions, hidden) = (weights[0].to_usize()?, weights[2].to_usize()?);
        let mut zeros = |name: &str, inputs: &mut TVec<OutletId>| -> TractResult<usize> {
            let kernel = zeros::ZeroState { directions, hidden };
            inputs.push(wire(kernel, &format!("{prefix}.{name}"), model, &inputs[..1])?[0]);
            Ok(inputs.len() - 1)
        };
        if cell.optional_initial_h_input.is_none() {
            cell.optional_initial_h_input = Some(zeros("h0", inputs)?);
        }
        if cell.optional_initial_c_input.is_none() && cell.body.have_extra_c_state() {
            cell.optional_initial_c_input = Some(zeros("c0", inputs)?);
        }
        Ok(cell)
    }
}

impl Expansion for Recurrent {
    fn name(&self) -> StaticName {
        self.cell.name()
    }

    fn validation(&self) -> Validation {
        self.cell.validation()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        self.cell.nboutputs()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.cell.rules(s, inputs, outputs)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let mut inputs: TVec<OutletId> = inputs.into();
        if self.reverse {
            inputs[0] = wire(reverse::Reverse, &format!("{prefix}.reversed"), model, &inputs[..1])?[0];
        }
        let free = model.outlet_fact(inputs[0])?.shape[1].to_usize().is_err();
        let cell = if free { self.with_zero_states(prefix, model, &mut inputs)? } else { self.cell.clone() };
        let outputs = cell.wire(prefix, model, &inputs)?;
        // From here on the node's own inputs count: a state of zeros holds no NaN.
        let states = [self.cell.optional_initial_h_input, self.cell.optional_initial_c_input];
        let mut taken = tvec!(inputs[0]);
        taken.extend(states.iter().flatten().map(|slot| inputs[*slot]));
        let kernel = missing::KeepMissing { given: taken.len(), outputs: outputs.len() };
        taken.extend(outputs);
        let mut kept = wire(kernel, &format!("{prefix}.kept"), model, &taken)?;
        if let Some(y) = self.cell.optional_y_output.filter(|_| self.reverse) {
            kept[y] = wire(reverse::Reverse, &format!("{prefix}.turned_back"), model, &kept[y..=y])?[0];
        }
        Ok(kept)
    }
}
