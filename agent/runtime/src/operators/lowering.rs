//! Nodes that are written as others before the engine reads them.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto, tensor_proto::DataType};
use tract_onnx::tract_hir::internal::*;

use super::kernel::Built;

/// Rewrites the nodes of a graph and of those inside it.
pub(crate) fn lower(graph: &mut GraphProto) {
    for node in std::mem::take(&mut graph.node) {
        lower_node(node, &mut graph.node);
    }
}

fn lower_node(mut node: NodeProto, nodes: &mut Vec<NodeProto>) {
    let inner =
        node.attribute.iter_mut().flat_map(|attribute| attribute.g.iter_mut().chain(&mut attribute.graphs));
    inner.for_each(lower);
    let is =
        |name: &str, value: &[u8]| node.attribute.iter().any(|found| found.name == name && found.s == value);
    let holds = |name: &str| node.attribute.iter().any(|found| found.name == name && found.i != 0);
    match node.op_type.as_str() {
        "Pad" if is("mode", b"wrap") => node.op_type = "PadWrap".into(),
        "SpaceToDepth" if is("mode", b"CRD") => node.op_type = "SpaceToDepthInRows".into(),
        "BatchNormalization" if holds("training_mode") => {
            node.op_type = "BatchNormalizationInTraining".into()
        }
        "LSTM" | "GRU" | "RNN" if holds("layout") => return time_first(node, nodes),
        "DFT" if !holds("inverse") => return in_double_precision(node, nodes),
        "Upsample" => return scales_as_input(node, nodes),
        _ => {}
    }
    nodes.push(node);
}

/// A node between two names, told by that of the node that it serves.
fn between(
    served: &NodeProto,
    operator: &str,
    inputs: &[&str],
    output: &str,
    attributes: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        op_type: operator.into(),
        name: format!("{}/{operator}/{output}", label(served)),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute: attributes,
        ..Default::default()
    }
}

/// The name of a node's first output, which no other node has.
fn label(node: &NodeProto) -> &str {
    node.output.iter().find(|output| !output.is_empty()).map_or("", |output| output)
}

fn attribute(name: &str) -> AttributeProto {
    AttributeProto { name: name.into(), ..Default::default() }
}

/// Recurrent nodes of `layout` 1 (ONNX 14), whose batch is the first axis, between transpositions.
fn time_first(mut node: NodeProto, nodes: &mut Vec<NodeProto>) {
    let transposed = |node: &NodeProto, from: &str, to: &str, order: &[i64]| {
        let order =
            AttributeProto { ints: order.to_vec(), r#type: AttributeType::Ints as i32, ..attribute("perm") };
        between(node, "Transpose", &[from], to, vec![order])
    };
    for input in [0, 5, 6] {
        let Some(name) = node.input.get(input).filter(|name| !name.is_empty()).cloned() else { continue };
        let turned = format!("{}/{input}/{name}", label(&node));
        nodes.push(transposed(&node, &name, &turned, &[1, 0, 2]));
        node.input[input] = turned;
    }
    let mut after = Vec::new();
    for output in 0..node.output.len() {
        let name = node.output[output].clone();
        if !name.is_empty() {
            let turned = format!("{}/{output}/{name}", label(&node));
            let order: &[i64] = if output == 0 { &[2, 0, 1, 3] } else { &[1, 0, 2] };
            after.push(transposed(&node, &turned, &name, order));
            node.output[output] = turned;
        }
    }
    node.attribute.retain(|attribute| attribute.name != "layout");
    nodes.push(node);
    nodes.append(&mut after);
}

/// A Fourier transform in double precision: in single precision tract's sums are off in the sixth digit of the largest. An
/// inverse one is divided by its length, which leaves nothing of that.
fn in_double_precision(mut node: NodeProto, nodes: &mut Vec<NodeProto>) {
    let (Some(input), Some(output)) = (node.input.first().cloned(), node.output.first().cloned()) else {
        return nodes.push(node);
    };
    let (wide, transformed) =
        (format!("{}/wide/{input}", label(&node)), format!("{}/wide/{output}", label(&node)));
    let kind =
        AttributeProto { i: DataType::Double as i64, r#type: AttributeType::Int as i32, ..attribute("to") };
    nodes.push(between(&node, "Cast", &[&input], &wide, vec![kind]));
    let back = between(&node, "CastLike", &[&transformed, &input], &output, vec![]);
    node.input[0] = wide;
    node.output[0] = transformed;
    nodes.extend([node, back]);
}

/// `Upsample` (ONNX 7) with its scales as an input, as ONNX 9 has them.
fn scales_as_input(mut node: NodeProto, nodes: &mut Vec<NodeProto>) {
    if let Some(place) = node.attribute.iter().position(|attribute| attribute.name == "scales") {
        let scales = node.attribute.remove(place).floats;
        let name = format!("{}/scales", label(&node));
        let tensor = TensorProto {
            dims: vec![scales.len() as i64],
            data_type: DataType::Float as i32,
            float_data: scales,
            ..Default::default()
        };
        let value =
            AttributeProto { t: Some(tensor), r#type: AttributeType::Tensor as i32, ..attribute("value") };
        nodes.push(between(&node, "Constant", &[], &name, vec![value]));
        node.input.push(name);
    }
    nodes.push(node);
}

/// `Upsample` as the first `Resize`, which took its place.
pub(super) fn build_upsample(context: &ParsingContext, node: &NodeProto) -> Built {
    let build = context.framework.op_register.0.get("Resize").context("no Resize")?;
    let text = |name: &str, value: &str| AttributeProto {
        s: value.as_bytes().to_vec(),
        r#type: AttributeType::String as i32,
        ..attribute(name)
    };
    let mut node = node.clone();
    node.attribute.push(text("nearest_mode", "floor"));
    let context = ParsingContext {
        onnx_operator_set_version: 10,
        framework: context.framework,
        model: context.model,
        parent_graphs: context.parent_graphs.clone(),
        model_dir: context.model_dir,
        template: context.template.clone(),
    };
    build(&context, &node)
}

/// `Loop`s that could be unrolled are no longer there.
pub(super) fn build_loop(_: &ParsingContext, _: &NodeProto) -> Built {
    bail!("how often it runs is not known before, or is too often: export it unrolled or as a Scan")
}
