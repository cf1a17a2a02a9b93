//! Writes a graph anew with channels last from one of our layers to the next.

use std::collections::{HashMap, HashSet};

use dunlin_kernels::Channels;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::nn::Reduce;
use tract_onnx::tract_hir::internal::*;

use super::draft::{self, Layer};
use super::operator::ChannelsLast;
use super::spare::Spare;

/// The graph with our layers.
pub(super) fn rewrite(source: &TypedModel) -> TractResult<TypedModel> {
    let order = source.eval_order()?;
    // By the node that a layer ends with: what it adds is there only then.
    let (mut layers, mut inside) = (HashMap::new(), HashSet::new());
    for node in order.iter().map(|id| source.node(*id)) {
        if let Some(layer) = draft::layer(source, node, &inside)? {
            inside.extend(layer.nodes.iter().copied());
            layers.extend(layer.nodes.last().copied().map(|last| (last, layer)));
        }
    }
    let target = TypedModel { symbols: source.symbols.clone(), ..TypedModel::default() };
    let mut rewriting =
        Rewriting { source, target, first: HashMap::new(), last: HashMap::new(), spare: Arc::default() };
    let unused =
        source.inputs.iter().map(|input| input.node).filter(|id| !order.contains(id)).collect::<Vec<_>>();
    for id in unused.into_iter().chain(order.iter().copied()) {
        match layers.remove(&id) {
            Some(layer) => rewriting.layer(id, layer)?,
            None if inside.contains(&id) => {}
            None => rewriting.other(source.node(id))?,
        }
    }
    let inputs = source.inputs.iter().map(|input| rewriting.first(*input)).collect::<TractResult<_>>()?;
    let outputs = source.outputs.iter().map(|output| rewriting.first(*output)).collect::<TractResult<_>>()?;
    let mut target = rewriting.target;
    (target.inputs, target.outputs) = (inputs, outputs);
    for (old, new) in source.outputs.iter().zip(target.outputs.clone()) {
        if let Some(label) = source.outlet_label(*old) {
            target.set_outlet_label(new, label.to_owned())?;
        }
    }
    target.properties.clone_from(&source.properties);
    Ok(target)
}

struct Rewriting<'a> {
    source: &'a TypedModel,
    target: TypedModel,
    /// Values of the source with channels second, as they were.
    first: HashMap<OutletId, OutletId>,
    /// Those with channels last.
    last: HashMap<OutletId, OutletId>,
    spare: Arc<Spare>,
}

impl Rewriting<'_> {
    /// A value with its channels where they were.
    fn first(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        if let Some(there) = self.first.get(&outlet) {
            return Ok(*there);
        }
        let from = *self.last.get(&outlet).context("a value before its node")?;
        let made = self.turned(from, "channels-second", |end| AxisOp::Move(end, 1))?;
        self.first.insert(outlet, made);
        Ok(made)
    }

    /// A value with its channels last.
    fn last(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        if let Some(there) = self.last.get(&outlet) {
            return Ok(*there);
        }
        let from = *self.first.get(&outlet).context("a value before its node")?;
        let made = self.turned(from, "channels-last", |end| AxisOp::Move(1, end))?;
        self.last.insert(outlet, made);
        Ok(made)
    }

    fn turned(&mut self, from: OutletId, how: &str, op: impl Fn(usize) -> AxisOp) -> TractResult<OutletId> {
        let end = self.target.outlet_fact(from)?.rank().checked_sub(1).context("no axes")?;
        let name = format!("{}.{how}", self.target.node(from.node).name);
        let name = self.target.unique_name(name).into_owned();
        Ok(self.target.wire_node(name, op(end), &[from])?[0])
    }

    fn layer(&mut self, id: usize, layer: Layer) -> TractResult<()> {
        let mut operator = ChannelsLast { spare: self.spare.clone(), ..layer.operator };
        // A picture that nobody else wants channels last is turned by the layer, with the zeros around it.
        let is_alone = self.source.outlet_successors(layer.input).len() == 1;
        if layer.turns && is_alone && operator.is_dense() && !self.last.contains_key(&layer.input) {
            operator.order = Channels::First;
        }
        let mut inputs: TVec<OutletId> = tvec![];
        for outlet in [Some(layer.input), layer.added].into_iter().flatten() {
            let stays = !layer.turns || (operator.order == Channels::First && inputs.is_empty());
            inputs.push(if stays { self.first(outlet)? } else { self.last(outlet)? });
        }
        let made = self.target.wire_node(&self.source.node(id).name, operator, &inputs)?[0];
        let values = if layer.turns { &mut self.last } else { &mut self.first };
        values.insert(id.into(), made);
        Ok(())
    }

    fn other(&mut self, node: &TypedNode) -> TractResult<()> {
        if self.source.inputs.contains(&node.id.into()) {
            let made = self.target.add_source(&node.name, node.outputs[0].fact.clone())?;
            self.first.insert(node.id.into(), made);
            return Ok(());
        }
        let (op, is_last) = match self.with_channels_last(node)? {
            Some(op) => (op, true),
            None => (node.op.clone(), false),
        };
        let turn = if is_last { Self::last } else { Self::first };
        let inputs: TVec<OutletId> =
            node.inputs.iter().map(|input| turn(self, *input)).collect::<TractResult<_>>()?;
        let made = self.target.wire_node(&node.name, op, &inputs)?;
        let values = if is_last { &mut self.last } else { &mut self.first };
        values.extend(made.iter().enumerate().map(|(slot, made)| (OutletId::new(node.id, slot), *made)));
        Ok(())
    }

    /// The operator as it is with channels last, where what it takes is so already.
    fn with_channels_last(&self, node: &TypedNode) -> TractResult<Option<Box<dyn TypedOp>>> {
        let facts = self.source.node_input_facts(node.id)?;
        let rank = self.source.outlet_fact(node.id.into())?.rank();
        let is_there = node.inputs.iter().any(|input| self.last.contains_key(input));
        if !is_there || rank < 3 || facts.iter().any(|fact| fact.rank() != rank) {
            return Ok(None);
        }
        let moved = |axis: usize| match axis {
            0 => 0,
            1 => rank - 1,
            _ => axis - 1,
        };
        if let Some(ours) = draft::maxima(self.source, node)?.or(draft::sums(self.source, node)?) {
            return Ok(Some(Box::new(ChannelsLast { spare: self.spare.clone(), ..ours })));
        }
        if node.op_is::<ElementWiseOp>() || node.op_is::<TypedBinOp>() {
            return Ok(Some(node.op.clone()));
        }
        if let Some(op) = node.op_as::<Reduce>() {
            let mut axes: TVec<usize> = op.axes.iter().map(|axis| moved(*axis)).collect();
            axes.sort_unstable();
            return Ok(Some(Box::new(Reduce { axes, reducer: op.reducer })));
        }
        let concat = node.op_as::<TypedConcat>().filter(|op| op.axis < rank);
        Ok(concat.map(|op| Box::new(TypedConcat { axis: moved(op.axis) }) as Box<dyn TypedOp>))
    }
}
