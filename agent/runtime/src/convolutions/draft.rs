//! Reads a layer out of a graph: a convolution or a product with known weights, and what follows it alone.

use std::collections::HashSet;
use std::sync::Arc;

use dunlin_kernels::{Bounds, Channels, Filters, Taps, Window};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, MaxPool, PoolSpec};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Div, Max, Min, Mul, Sub};
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer};
use tract_onnx::tract_hir::internal::*;

use super::operator::{ChannelsLast, Kernel};
use crate::steps;

/// Whether a node is of a kind that layers begin with.
pub(super) fn may_be_read(node: &TypedNode) -> bool {
    node.op_is::<Conv>() || node.op_is::<EinSum>()
}

/// A layer that takes the place of nodes.
pub(super) struct Layer {
    pub(super) input: OutletId,
    /// Added to its answers.
    pub(super) added: Option<OutletId>,
    pub(super) operator: ChannelsLast,
    /// The nodes, the last of which gives what the layer gives.
    pub(super) nodes: Vec<usize>,
    /// Whether channels come second here, and are to come last.
    pub(super) turns: bool,
}

/// A layer in the making.
struct Draft {
    input: OutletId,
    window: Option<Window>,
    /// Where channels are.
    axis: usize,
    depthwise: bool,
    weights: Arc<Tensor>,
    /// Output channels, taps and input channels: how many, and how far apart in the weights.
    lengths: [usize; 3],
    steps: [usize; 3],
    /// What each output channel's weights are multiplied by.
    scale: Vec<f32>,
    bias: Vec<f32>,
    /// What answers are settled to before something is added to them.
    before: Bounds,
    added: Option<OutletId>,
    bounds: Bounds,
}

/// The layer that begins with this node, without what is inside of others already.
pub(super) fn layer(
    model: &TypedModel,
    node: &TypedNode,
    inside: &HashSet<usize>,
) -> TractResult<Option<Layer>> {
    let Some(mut draft) = convolution(model, node)?.or(product(model, node)?) else { return Ok(None) };
    let mut nodes = vec![node.id];
    let mut outlet = OutletId::from(node.id);
    while let [next] = model.outlet_successors(outlet) {
        let following = model.node(next.node);
        let after = OutletId::from(following.id);
        let answers = model.outlet_fact(outlet)?;
        let is_ended = model.outputs.contains(&outlet) || inside.contains(&following.id);
        if is_ended || model.outlet_fact(after)? != answers {
            break;
        }
        let is_taken_in = if let Some(bounds) = steps::settled(following) {
            draft.settles(bounds)
        } else if let Some(op) = following.op_as::<TypedBinOp>() {
            let other = following.inputs[1 - next.slot];
            draft.absorbs(op, answers, next.slot == 1, other, model.outlet_fact(other)?)?
        } else {
            false
        };
        if !is_taken_in {
            break;
        }
        nodes.push(following.id);
        outlet = after;
    }
    draft.finish(nodes).map(Some)
}

fn convolution(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Draft>> {
    let Some(op) = node.op_as::<Conv>() else { return Ok(None) };
    let facts = model.node_input_facts(node.id)?;
    let ([x, weights, bias], None, KernelFormat::OIHW) = (&*facts, op.q_params, op.kernel_fmt) else {
        return Ok(None);
    };
    let (inputs, outputs) = (op.input_channels(), op.output_channels());
    let depthwise = op.group > 1 && op.group == inputs && op.group == outputs;
    let (Some(weights), Some(bias), Some(window)) = (&weights.konst, &bias.konst, window(&op.pool_spec, x))
    else {
        return Ok(None);
    };
    let Some(bias) = spread(bias, 0, outputs)? else { return Ok(None) };
    let Some(taps) = window.taps() else { return Ok(None) };
    let mixed = if depthwise { 1 } else { inputs };
    if !(depthwise || op.group == 1) || !is_single(weights) || weights.len() != outputs * mixed * taps {
        return Ok(None);
    }
    Ok(Some(Draft {
        input: node.inputs[0],
        window: Some(window),
        axis: 1,
        depthwise,
        weights: weights.clone(),
        lengths: [outputs, taps, mixed],
        steps: [mixed * taps, 1, taps],
        scale: vec![1.0; outputs],
        bias,
        before: Bounds::NONE,
        added: None,
        bounds: Bounds::NONE,
    }))
}

/// A product of the last axis with a matrix.
fn product(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Draft>> {
    let Some(op) = node.op_as::<EinSum>() else { return Ok(None) };
    let facts = model.node_input_facts(node.id)?;
    let ([x, weights], None) = (&*facts, op.q_params) else { return Ok(None) };
    let (Some(matrix), rank) = (&weights.konst, x.rank()) else { return Ok(None) };
    let both = x.datum_type == f32::datum_type() && op.operating_dt == f32::datum_type() && is_single(matrix);
    if !both || matrix.rank() != 2 || rank == 0 || matrix.len() == 0 {
        return Ok(None);
    }
    // Where each axis is: in the input, the matrix and the output.
    let places = |axis: &Axis| match (&*axis.inputs[0], &*axis.inputs[1], &*axis.outputs[0]) {
        ([x], [], [y]) if x == y && x + 1 < rank => Some(None),
        ([x], [k], []) if x + 1 == rank => Some(Some((true, *k))),
        ([], [n], [y]) if y + 1 == rank => Some(Some((false, *n))),
        _ => None,
    };
    let Some(found) = op.axes.iter_all_axes().map(places).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let inner = found.iter().flatten().find(|(is_inner, _)| *is_inner).map(|(_, place)| *place);
    let (Some(inner @ 0..2), rank_after) = (inner, model.outlet_fact(node.id.into())?.rank()) else {
        return Ok(None);
    };
    if rank_after != rank || found.iter().flatten().count() != 2 {
        return Ok(None);
    }
    let (inputs, outputs) = (matrix.shape()[inner], matrix.shape()[1 - inner]);
    Ok(Some(Draft {
        input: node.inputs[0],
        window: None,
        axis: rank - 1,
        depthwise: false,
        weights: matrix.clone(),
        lengths: [outputs, 1, inputs],
        steps: if inner == 0 { [1, 0, outputs] } else { [inputs, 0, 1] },
        scale: vec![1.0; outputs],
        bias: vec![0.0; outputs],
        before: Bounds::NONE,
        added: None,
        bounds: Bounds::NONE,
    }))
}

/// Maxima under a window, which are a layer of their own.
pub(super) fn maxima(model: &TypedModel, node: &TypedNode) -> TractResult<Option<ChannelsLast>> {
    let Some(op) = node.op_as::<MaxPool>().filter(|op| op.with_index_outputs.is_none()) else {
        return Ok(None);
    };
    let window = window(&op.pool_spec, model.outlet_fact(node.inputs[0])?);
    let channels = op.pool_spec.input_channels;
    Ok(window.map(|window| unsettled(Kernel::Maxima { channels }, window)))
}

/// Sums over all of a picture, or of a row, whose lengths are known.
pub(super) fn sums(model: &TypedModel, node: &TypedNode) -> TractResult<Option<ChannelsLast>> {
    let Some(op) = node.op_as::<Reduce>().filter(|op| op.reducer == Reducer::Sum) else { return Ok(None) };
    let x = model.outlet_fact(node.inputs[0])?;
    let lengths: Option<TVec<usize>> = x.shape.iter().skip(1).map(|dim| dim.to_usize().ok()).collect();
    let input = match lengths.as_deref() {
        Some([channels, columns]) => [1, *columns, *channels],
        Some([channels, rows, columns]) => [*rows, *columns, *channels],
        _ => return Ok(None),
    };
    let [rows, columns, channels] = input;
    let is_of_all = op.axes.iter().copied().eq(2..x.rank()) && input.iter().all(|length| *length > 0);
    if !is_of_all || x.datum_type != f32::datum_type() {
        return Ok(None);
    }
    let window = Window { input: [rows, columns], kernel: [rows, columns], ..Window::of_points(1) };
    Ok(Some(unsettled(Kernel::Sums { channels }, window)))
}

fn unsettled(kernel: Kernel, window: Window) -> ChannelsLast {
    ChannelsLast {
        kernel: Arc::new(kernel),
        window: Some(window),
        order: Channels::Last,
        before: Bounds::NONE,
        bounds: Bounds::NONE,
        spare: Arc::default(),
    }
}

/// A window over one or two axes after batch and channels, where their lengths are known.
fn window(pool: &PoolSpec, x: &TypedFact) -> Option<Window> {
    let lengths: TVec<usize> =
        x.shape.iter().skip(2).map(|dim| dim.to_usize().ok()).collect::<Option<_>>()?;
    if pool.data_format != DataFormat::NCHW
        || x.datum_type != f32::datum_type()
        || !(1..=2).contains(&lengths.len())
    {
        return None;
    }
    let padding = pool.computed_padding(&lengths);
    let pair = |values: TVec<usize>, otherwise| match *values {
        [columns] => [otherwise, columns],
        [rows, columns] => [rows, columns],
        _ => [0, 0],
    };
    let window = Window {
        input: pair(lengths, 1),
        kernel: pair(pool.kernel_shape.clone(), 1),
        stride: pair(pool.strides().iter().copied().collect(), 1),
        dilation: pair(pool.dilations().iter().copied().collect(), 1),
        before: pair(padding.iter().map(|axis| axis.pad_before).collect(), 0),
        after: pair(padding.iter().map(|axis| axis.pad_after).collect(), 0),
    };
    // Where windows may end outside, there are more steps than ours has. Zeros without end are not laid out.
    let steps = pair(padding.iter().map(|axis| axis.convoluted).collect(), 1);
    (window.output() == Some(steps) && window.is_modest()).then_some(window)
}

fn is_single(tensor: &Tensor) -> bool {
    tensor.datum_type() == f32::datum_type() && tensor.is_plain_ram()
}

/// One number for each channel, of a tensor that has one for each along this axis, or one alone.
fn spread(tensor: &Tensor, axis: usize, channels: usize) -> TractResult<Option<Vec<f32>>> {
    if !is_single(tensor) {
        return Ok(None);
    }
    let plain = tensor.try_as_plain_ram()?;
    let values = plain.as_slice::<f32>()?;
    Ok(match values {
        [value] => Some(vec![*value; channels]),
        _ => {
            (values.len() == channels && tensor.shape().get(axis) == Some(&channels)).then(|| values.to_vec())
        }
    })
}

impl Draft {
    /// Takes in an operation on the answers and `other`, which comes first if the answers are second.
    fn absorbs(
        &mut self,
        op: &TypedBinOp,
        answers: &TypedFact,
        is_second: bool,
        other: OutletId,
        fact: &TypedFact,
    ) -> TractResult<bool> {
        let op = &op.0;
        let Some(constant) = &fact.konst else {
            // What is smaller than the answers is spread over them: not by us.
            let is_added = op.is::<Add>() && fact == answers && self.added.is_none() && !self.depthwise;
            if is_added {
                self.added = Some(other);
                self.before = std::mem::replace(&mut self.bounds, Bounds::NONE);
            }
            return Ok(is_added);
        };
        if self.bounds.step != 0.0 {
            return Ok(false);
        }
        let is_bounded = self.bounds != Bounds::NONE;
        let Some(values) = spread(constant, self.axis, self.bias.len())? else { return Ok(false) };
        let uniform = values.iter().all(|value| *value == values[0]).then_some(values[0]);
        match uniform {
            Some(bound) if op.is::<Max>() && bound <= self.bounds.high => {
                self.bounds.low = self.bounds.low.max(bound);
                return Ok(true);
            }
            Some(bound) if op.is::<Min>() => {
                self.bounds.high = self.bounds.high.min(bound);
                return Ok(true);
            }
            _ if is_bounded || self.added.is_some() => return Ok(false),
            _ => {}
        }
        let each = self.scale.iter_mut().zip(&mut self.bias).zip(values);
        if op.is::<Mul>() {
            each.for_each(|((scale, bias), value)| (*scale, *bias) = (*scale * value, *bias * value));
        } else if op.is::<Add>() {
            each.for_each(|((_, bias), value)| *bias += value);
        } else if op.is::<Div>() && !is_second {
            each.for_each(|((scale, bias), value)| (*scale, *bias) = (*scale / value, *bias / value));
        } else if op.is::<Sub>() && !is_second {
            each.for_each(|((_, bias), value)| *bias -= value);
        } else if op.is::<Sub>() {
            each.for_each(|((scale, bias), value)| (*scale, *bias) = (-*scale, value - *bias));
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes in what settles the answers to steps.
    fn settles(&mut self, to: Bounds) -> bool {
        let (low, high) = (self.bounds.low.max(to.low), self.bounds.high.min(to.high));
        let fits = self.bounds.step == 0.0 && low <= high;
        if fits {
            self.bounds = Bounds { low, high, step: to.step };
        }
        fits
    }

    fn finish(self, nodes: Vec<usize>) -> TractResult<Layer> {
        let plain = self.weights.try_as_plain_ram()?;
        let weights = plain.as_slice::<f32>()?;
        let [far, near, inner] = self.steps;
        let at = |output: usize, tap: usize, input: usize| {
            weights[output * far + tap * near + input * inner] * self.scale[output]
        };
        let [outputs, taps, _] = self.lengths;
        let kernel = if self.depthwise {
            Kernel::Depthwise(Taps::new([outputs, taps], &self.bias, |channel, tap| at(channel, tap, 0))?)
        } else {
            Kernel::Dense(Filters::new(self.lengths, &self.bias, at)?)
        };
        let turns = self.window.is_some();
        let operator = ChannelsLast {
            kernel: Arc::new(kernel),
            window: self.window,
            order: Channels::Last,
            before: self.before,
            bounds: self.bounds,
            spare: Arc::default(),
        };
        Ok(Layer { input: self.input, added: self.added, operator, nodes, turns })
    }
}
