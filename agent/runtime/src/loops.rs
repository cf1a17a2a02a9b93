//! `Loop` nodes (ONNX 1 to 25) whose number of rounds is known before the graph runs: the rounds take the node's place,
//! one after the other.

use std::collections::BTreeMap;

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

use crate::{branches, proto};

/// Most loops that are looked at: each costs a plan of what is before it.
const MOST_LOOPS: usize = 64;
/// Most bytes that all rounds of all loops become.
const MOST_BYTES: usize = 1 << 24;
/// What a node takes beside its attributes, at least.
const NODE_BYTES: usize = 1 << 10;

/// Unrolls what is known; tells whether there was any.
pub fn unroll(model: &mut ModelProto) -> bool {
    let (mut place, mut left, mut tries, mut found) = (0, MOST_BYTES, MOST_LOOPS, false);
    while let Some(node) = model.graph.as_ref().and_then(|graph| graph.node.get(place)) {
        let is_tried = node.op_type == "Loop" && tries > 0;
        tries -= usize::from(is_tried);
        let unrolled = if is_tried { rounds(model, node, left) } else { None };
        let (Some((nodes, constants, size)), Some(graph)) = (unrolled, &mut model.graph) else {
            place += 1;
            continue;
        };
        left = left.saturating_sub(size);
        found = true;
        // What is put there is looked at next: a loop may be in it.
        graph.node.splice(place..=place, nodes);
        graph.initializer.extend(constants);
    }
    found
}

/// The nodes of all rounds, their constants, and how many bytes they are at most; `None` where the number of rounds is not known, or they are too many.
fn rounds(
    model: &ModelProto,
    node: &NodeProto,
    most: usize,
) -> Option<(Vec<NodeProto>, Vec<TensorProto>, usize)> {
    let body = node.attribute.iter().find(|attribute| attribute.name == "body")?.g.as_ref()?;
    let [count, condition, initial @ ..] = &node.input[..] else { return None };
    let first = |name: &str| -> Option<i64> {
        let value = branches::value(model, name)?.cast_to::<i64>().ok()?.into_owned();
        value.try_as_plain_ram().ok()?.as_slice::<i64>().ok()?.first().copied()
    };
    let is_entered = condition.is_empty() || first(condition)? != 0;
    let count = if is_entered { usize::try_from(first(count)?.max(0)).ok()? } else { 0 };
    let (kept, carried) = (body.output.first()?, initial.len());
    let scanned = body.output.len().checked_sub(1 + carried)?;
    let is_fit = body.input.len() == 2 + carried && node.output.len() == carried + scanned;
    let size = (bytes(body) + scanned * NODE_BYTES).checked_mul(count)?;
    if !is_fit || size > most || (count == 0 && scanned > 0) || (count > 1 && !stays_true(body, &kept.name)) {
        return None;
    }
    let prefix = node.output.iter().find(|output| !output.is_empty())?;
    let scalar = |name: String, kind: DataType, raw_data: Vec<u8>| TensorProto {
        name,
        data_type: kind as i32,
        raw_data,
        ..Default::default()
    };
    let truth = format!("{prefix}/goes_on");
    let mut constants = vec![scalar(truth.clone(), DataType::Bool, vec![1])];
    let held =
        body.initializer.iter().map(|tensor| (tensor.name.clone(), format!("{prefix}/{}", tensor.name)));
    let held: BTreeMap<String, String> = held.collect();
    constants.extend(
        body.initializer
            .iter()
            .map(|tensor| TensorProto { name: format!("{prefix}/{}", tensor.name), ..tensor.clone() }),
    );
    let mut nodes = Vec::new();
    let mut values: Vec<String> = initial.to_vec();
    let mut slices = vec![Vec::new(); scanned];
    for round in 0..count {
        let number = format!("{prefix}/{round}");
        let mut names = held.clone();
        let made = body.node.iter().flat_map(|node| &node.output).filter(|name| !name.is_empty());
        names.extend(made.map(|name| (name.clone(), format!("{number}/{name}"))));
        let given = [number.clone(), truth.clone()].into_iter().chain(values);
        names.extend(body.input.iter().map(|input| input.name.clone()).zip(given));
        constants.push(scalar(number.clone(), DataType::Int64, (round as i64).to_le_bytes().to_vec()));
        let renamed = |name: &mut String| {
            if let Some(new) = names.get(name) {
                name.clone_from(new);
            }
        };
        for (place, node) in body.node.iter().enumerate() {
            let mut node = node.clone();
            node.name = format!("{number}/{}#{place}", node.name);
            node.output.iter_mut().for_each(renamed);
            branches::rename(&mut node, &renamed);
            nodes.push(node);
        }
        let mut outputs = body.output[1..]
            .iter()
            .map(|output| names.get(&output.name).cloned().unwrap_or_else(|| output.name.clone()));
        values = outputs.by_ref().take(carried).collect();
        slices.iter_mut().zip(outputs).for_each(|(slices, output)| slices.push(output));
    }
    hand_over(model, node, &values, slices, &mut nodes, &mut constants);
    Some((nodes, constants, size))
}

/// How many bytes a round becomes. Its constants are there once for all rounds.
fn bytes(body: &GraphProto) -> usize {
    let of_tensor = |tensor: &TensorProto| {
        tensor.raw_data.len()
            + 4 * (tensor.float_data.len() + tensor.int32_data.len())
            + 8 * (tensor.int64_data.len() + tensor.double_data.len() + tensor.uint64_data.len())
            + tensor.string_data.iter().map(Vec::len).sum::<usize>()
    };
    let of_attribute = |value: &AttributeProto| {
        let inner = value.g.iter().chain(&value.graphs).flat_map(|graph| &graph.initializer);
        let tensors = value.t.iter().chain(&value.tensors).chain(inner).map(of_tensor).sum::<usize>();
        let lists = value.s.len() + 4 * value.floats.len() + 8 * value.ints.len();
        tensors + lists + value.strings.iter().map(Vec::len).sum::<usize>()
    };
    let mut bytes = 0;
    proto::visit_nodes(body, &mut |node| {
        bytes += NODE_BYTES + node.attribute.iter().map(of_attribute).sum::<usize>();
    });
    bytes
}

/// Gives the node's outputs: the last values of what is carried, and the slices of all rounds as one tensor.
fn hand_over(
    model: &ModelProto,
    node: &NodeProto,
    values: &[String],
    slices: Vec<Vec<String>>,
    nodes: &mut Vec<NodeProto>,
    constants: &mut Vec<TensorProto>,
) {
    let mut give = |operator: &str, input: Vec<String>, output: &str, attribute: Vec<AttributeProto>| {
        nodes.push(NodeProto {
            op_type: operator.into(),
            name: format!("{output}/{operator}"),
            input,
            output: vec![output.to_owned()],
            attribute,
            ..Default::default()
        });
    };
    for (value, output) in values.iter().zip(&node.output).filter(|(_, output)| !output.is_empty()) {
        give("Identity", vec![value.clone()], output, vec![]);
    }
    let opset = model.opset_import.iter().find(|set| set.domain.is_empty()).map_or(0, |set| set.version);
    let scanned = slices.into_iter().zip(&node.output[values.len()..]);
    for (slices, output) in scanned.filter(|(_, output)| !output.is_empty()) {
        let mut rows = Vec::new();
        for (round, slice) in slices.into_iter().enumerate() {
            let row = format!("{output}/row/{round}");
            if opset < 13 {
                let axes = AttributeProto { ints: vec![0], ..attribute("axes", AttributeType::Ints) };
                give("Unsqueeze", vec![slice], &row, vec![axes]);
            } else {
                give("Unsqueeze", vec![slice, format!("{output}/axes")], &row, vec![]);
            }
            rows.push(row);
        }
        constants.push(TensorProto {
            name: format!("{output}/axes"),
            dims: vec![1],
            data_type: DataType::Int64 as i32,
            int64_data: vec![0],
            ..Default::default()
        });
        give("Concat", rows, output, vec![attribute("axis", AttributeType::Int)]);
    }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
}

/// Whether a body hands its condition on as it is.
fn stays_true(body: &GraphProto, output: &str) -> bool {
    let mut name = output;
    // Bounded, for a body may go around in circles.
    for _ in 0..=body.node.len() {
        if body.input.get(1).is_some_and(|input| input.name == name) {
            return true;
        }
        let is_true = |tensor: &TensorProto| tensor.raw_data == [1] || tensor.int32_data == [1];
        if let Some(tensor) = body.initializer.iter().find(|tensor| tensor.name == name) {
            return is_true(tensor);
        }
        let Some(node) =
            body.node.iter().find(|node| node.output.first().is_some_and(|output| output == name))
        else {
            return false;
        };
        match (node.op_type.as_str(), node.input.first()) {
            ("Identity", Some(input)) => name = input,
            ("Constant", _) => {
                return node.attribute.iter().any(|value| value.t.as_ref().is_some_and(is_true));
            }
            _ => return false,
        }
    }
    false
}
