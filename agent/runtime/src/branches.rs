//! `If` nodes whose condition is known before the graph runs: the branch takes the node's place.
//!
//! Exporters write them for what inputs' lengths or a sampling rate decide; the branches often differ in shape, which the
//! engine refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, ValueInfoProto};
use tract_onnx::tract_hir::internal::{Framework, InferenceModelExt, Tensor};

use crate::{bounds, operators, prepare, rewrite};

/// Most nodes that are looked at: each costs a plan of what is before it.
const MOST: usize = 64;

/// Replaces what is known, also inside of what was put in a node's place.
pub fn settle(model: &mut ModelProto) {
    let (mut place, mut left) = (0, MOST);
    while let Some(node) = model.graph.as_ref().and_then(|graph| graph.node.get(place)) {
        let is_tried = node.op_type == "If" && left > 0;
        left -= usize::from(is_tried);
        let known = if is_tried { condition(model, node) } else { None };
        match known.and_then(|holds| branch(node, holds)) {
            // What is put there is looked at next: it may begin with such a node.
            Some(branch) => replace(model, place, branch),
            None => place += 1,
        }
    }
}

/// Whether the condition holds, where that is known.
fn condition(model: &ModelProto, node: &NodeProto) -> Option<bool> {
    let value = value(model, node.input.first()?)?.cast_to::<bool>().ok()?.into_owned();
    value.try_as_plain_ram().ok()?.as_slice::<bool>().ok()?.first().copied()
}

/// A value of the graph, where it depends on no input.
pub fn value(model: &ModelProto, wanted: &str) -> Option<Arc<Tensor>> {
    let graph = model.graph.as_ref()?;
    let mut needed = BTreeSet::from([wanted.to_owned()]);
    let mut nodes = Vec::new();
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|output| needed.contains(output)) {
            names_of(node, &mut |name| {
                needed.insert(name.clone());
            });
            nodes.push(node.clone());
        }
    }
    nodes.reverse();
    let inputs: Vec<ValueInfoProto> =
        graph.input.iter().filter(|input| needed.contains(&input.name)).cloned().collect();
    // The engine takes a free length for unlike any number.
    if inputs.iter().any(|input| rewrite::names(input).iter().any(Option::is_some)) {
        return None;
    }
    let part = GraphProto {
        name: graph.name.clone(),
        node: nodes,
        initializer: graph
            .initializer
            .iter()
            .filter(|tensor| needed.contains(&tensor.name))
            .cloned()
            .collect(),
        input: inputs,
        output: vec![ValueInfoProto { name: wanted.to_owned(), ..Default::default() }],
        ..Default::default()
    };
    let part = ModelProto {
        graph: Some(part),
        opset_import: model.opset_import.clone(),
        ir_version: model.ir_version,
        ..Default::default()
    };
    known(&part)
}

/// The only output, where it depends on no input.
fn known(model: &ModelProto) -> Option<Arc<Tensor>> {
    let mut graph = operators::framework()
        .with_ignore_output_types(true)
        .with_ignore_value_info(true)
        .model_for_proto_model(model)
        .ok()?;
    bounds::check(&mut graph, model).ok()?;
    let mut graph = graph.into_typed().ok()?;
    prepare::declutter(&mut graph).ok()?;
    graph.output_fact(0).ok()?.konst.clone()
}

fn branch(node: &NodeProto, holds: bool) -> Option<GraphProto> {
    let name = if holds { "then_branch" } else { "else_branch" };
    node.attribute.iter().find(|attribute| attribute.name == name)?.g.clone()
}

fn replace(model: &mut ModelProto, place: usize, mut branch: GraphProto) {
    let Some(graph) = &mut model.graph else { return };
    let node = graph.node.remove(place);
    // Names of a branch may be those of another one.
    let prefix = node.output.first().cloned().unwrap_or_default();
    let made = branch.node.iter().flat_map(|node| &node.output);
    let inner =
        made.chain(branch.initializer.iter().map(|tensor| &tensor.name)).filter(|name| !name.is_empty());
    let names: BTreeMap<String, String> =
        inner.map(|name| (name.clone(), format!("{prefix}/{name}"))).collect();
    let renamed = |name: &mut String| {
        if let Some(new) = names.get(name) {
            name.clone_from(new);
        }
    };
    for (index, node) in branch.node.iter_mut().enumerate() {
        node.name = format!("{prefix}/{}#{index}", node.name);
        node.output.iter_mut().for_each(renamed);
        rename(node, &renamed);
    }
    branch.initializer.iter_mut().for_each(|tensor| renamed(&mut tensor.name));
    let hand_over = branch.output.iter_mut().zip(&node.output).map(|(from, to)| {
        renamed(&mut from.name);
        NodeProto {
            op_type: "Identity".into(),
            name: format!("{prefix}/{to}"),
            input: vec![from.name.clone()],
            output: vec![to.clone()],
            ..Default::default()
        }
    });
    let nodes: Vec<NodeProto> = branch.node.drain(..).chain(hand_over).collect();
    graph.node.splice(place..place, nodes);
    graph.initializer.append(&mut branch.initializer);
}

/// Every name that a node reads, also from inside of it.
pub(crate) fn names_of(node: &NodeProto, each: &mut impl FnMut(&String)) {
    node.input.iter().for_each(&mut *each);
    for graph in node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)) {
        graph.output.iter().for_each(|output| each(&output.name));
        graph.node.iter().for_each(|node| names_of(node, each));
    }
}

/// Renames every name that a node reads, also from inside of it.
pub(crate) fn rename(node: &mut NodeProto, renamed: &impl Fn(&mut String)) {
    node.input.iter_mut().for_each(renamed);
    for graph in
        node.attribute.iter_mut().flat_map(|attribute| attribute.g.iter_mut().chain(&mut attribute.graphs))
    {
        graph.output.iter_mut().for_each(|output| renamed(&mut output.name));
        graph.node.iter_mut().for_each(|node| rename(node, renamed));
    }
}
