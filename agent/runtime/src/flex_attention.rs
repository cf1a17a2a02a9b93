//! `FlexAttention` (`ai.onnx.preview` 1) written out: scores, the graph that changes them, softmax, the graph that
//! changes weights, values. What the engine has no graphs inside of, it sees as nodes like others.

use std::collections::BTreeMap;

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use crate::branches::rename;

/// Operators of ours that the two matrix products become.
const SCORES: &str = "FlexAttentionScores";
const VALUES: &str = "FlexAttentionValues";

/// Writes out every such node, also in graphs inside of nodes. One whose graphs do not take and give one tensor stays,
/// and is refused.
pub fn write_out(graph: &mut GraphProto) {
    for node in &mut graph.node {
        let attributes = node.attribute.iter_mut();
        attributes
            .flat_map(|attribute| attribute.g.iter_mut().chain(&mut attribute.graphs))
            .for_each(write_out);
    }
    let mut place = 0;
    while let Some(node) = graph.node.get(place) {
        let parts = (node.op_type == "FlexAttention").then(|| parts(node)).flatten();
        let Some((nodes, mut modifiers)) = parts else {
            place += 1;
            continue;
        };
        let count = nodes.len();
        graph.node.splice(place..=place, nodes);
        modifiers.iter_mut().for_each(|body| graph.initializer.append(&mut body.initializer));
        place += count;
    }
}

/// The nodes that a node becomes, and the graphs that were inside of it, without their nodes.
fn parts(node: &NodeProto) -> Option<(Vec<NodeProto>, Vec<GraphProto>)> {
    let ([query, key, value], [output]) = (&node.input[..], &node.output[..]) else { return None };
    let name = |part: &str| format!("{}/{output}/{part}", node.name);
    let made = |operator: &str, part: &str, input: &[&str], output: String| NodeProto {
        op_type: operator.into(),
        name: name(part),
        input: input.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output],
        ..Default::default()
    };
    let mut scores = made(SCORES, "scores", &[query, key], name("scores"));
    scores.attribute = node.attribute.iter().filter(|attribute| attribute.g.is_none()).cloned().collect();
    let mut nodes = vec![scores];
    let mut bodies = Vec::new();
    let mut modify = |attribute: &str, nodes: &mut Vec<NodeProto>, given: String| -> Option<String> {
        let Some(body) = node.attribute.iter().find(|told| told.name == attribute) else {
            return Some(given);
        };
        let (mut body, result) = inlined(body.g.clone()?, &name(attribute), given)?;
        nodes.append(&mut body.node);
        bodies.push(body);
        Some(result)
    };
    let changed = modify("score_mod", &mut nodes, name("scores"))?;
    let mut softmax = made("Softmax", "softmax", &[&changed], name("softmax"));
    let last = AttributeProto { i: -1, r#type: AttributeType::Int as i32, ..Default::default() };
    softmax.attribute = vec![AttributeProto { name: "axis".into(), ..last }];
    nodes.push(softmax);
    let weights = modify("prob_mod", &mut nodes, name("softmax"))?;
    nodes.push(made(VALUES, "values", &[&weights, value], output.clone()));
    Some((nodes, bodies))
}

/// A graph with names of its own, whose only input is the value of that name; also the name of its only output.
fn inlined(mut body: GraphProto, prefix: &str, given: String) -> Option<(GraphProto, String)> {
    let held: Vec<&String> = body.initializer.iter().map(|tensor| &tensor.name).collect();
    let mut inputs = body.input.iter().filter(|input| !held.contains(&&input.name));
    let (input, None) = (inputs.next()?, inputs.next()) else { return None };
    let [output] = &body.output[..] else { return None };
    let made = body.node.iter().flat_map(|node| &node.output).chain(held).filter(|name| !name.is_empty());
    let own = made.map(|name| (name.clone(), format!("{prefix}/{name}")));
    let names: BTreeMap<String, String> = own.chain([(input.name.clone(), given)]).collect();
    let renamed = |name: &mut String| {
        if let Some(new) = names.get(name) {
            name.clone_from(new);
        }
    };
    let mut result = output.name.clone();
    renamed(&mut result);
    for (index, node) in body.node.iter_mut().enumerate() {
        node.name = format!("{prefix}/{}#{index}", node.name);
        node.output.iter_mut().for_each(renamed);
        rename(node, &renamed);
    }
    body.initializer.iter_mut().for_each(|tensor| renamed(&mut tensor.name));
    Some((body, result))
}
