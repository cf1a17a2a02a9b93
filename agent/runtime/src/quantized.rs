//! Operators of quantized tensors that ONNX Runtime's static quantization writes (`com.microsoft`, QOperator format),
//! as what they are defined by: the operator on the values, between `DequantizeLinear` and `QuantizeLinear`. The scales of
//! ONNX' own `QLinearMatMul` become numbers in single precision, which is all that the engine takes there.

use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, tensor_proto::DataType};

use crate::narrow::nodes::{int, node, number};

/// Puts in the place of each quantized operator what it is defined by. What there is no definition for stays.
pub(crate) fn expand(model: &mut ModelProto) {
    let version = |set: &tract_onnx::pb::OperatorSetIdProto| {
        matches!(set.domain.as_str(), "" | "ai.onnx").then_some(set.version)
    };
    let opset = model.opset_import.iter().find_map(version).unwrap_or_default();
    if let Some(graph) = &mut model.graph {
        expand_graph(graph, opset);
    }
}

fn expand_graph(graph: &mut GraphProto, opset: i64) {
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        attribute.g.iter_mut().for_each(|graph| expand_graph(graph, opset));
    }
    let is_touched = |node: &NodeProto| is_product(node) || definition(node, opset).is_some();
    if !graph.node.iter().any(is_touched) {
        return;
    }
    let mut nodes = Vec::new();
    for mut node in std::mem::take(&mut graph.node) {
        if is_product(&node) {
            nodes.append(&mut single_scales(&mut node));
        }
        match definition(&node, opset) {
            Some(definition) => nodes.append(&mut definition.nodes(&node)),
            None => nodes.push(node),
        }
    }
    graph.node = nodes;
}

fn is_product(node: &NodeProto) -> bool {
    node.op_type == "QLinearMatMul" && matches!(node.domain.as_str(), "" | "ai.onnx")
}

/// Casts of a product's scales.
fn single_scales(product: &mut NodeProto) -> Vec<NodeProto> {
    let output = product.output.first().cloned().unwrap_or_default();
    let mut casts = Vec::new();
    for place in [1, 4, 6] {
        if let Some(scale) = product.input.get_mut(place) {
            let single = format!("dunlin/{output}/scale_{place}");
            let to = int("to", DataType::Float as i64);
            casts.push(node("Cast", &[scale.as_str()], &single, vec![to]));
            *scale = single;
        }
    }
    casts
}

/// What a quantized operator is defined by.
struct Definition {
    operator: &'static str,
    /// Places of inputs that go in as they are, before the others.
    plain: Vec<usize>,
    /// Places of quantized inputs; the scale and the zero point of each stand behind it.
    quantized: Vec<usize>,
    /// Place of the output's scale; its zero point stands behind it.
    scale: usize,
    attributes: Vec<AttributeProto>,
}

fn definition(node: &NodeProto, opset: i64) -> Option<Definition> {
    if node.domain != "com.microsoft" || number(node, "channels_last").unwrap_or(0) != 0 {
        return None;
    }
    let axis = || number(node, "axis").unwrap_or(-1);
    let kept = |names: &[&str]| {
        let kept = node.attribute.iter().filter(|attribute| names.contains(&attribute.name.as_str()));
        kept.cloned().collect::<Vec<_>>()
    };
    let one = |operator, attributes| (operator, vec![], vec![0], 3, attributes);
    let (operator, plain, quantized, scale, attributes) = match node.op_type.as_str() {
        "QLinearAdd" => ("Add", vec![], vec![0, 3], 6, vec![]),
        "QLinearMul" => ("Mul", vec![], vec![0, 3], 6, vec![]),
        "QLinearWhere" => ("Where", vec![0], vec![1, 4], 7, vec![]),
        "QLinearSigmoid" => one("Sigmoid", vec![]),
        "QLinearLeakyRelu" => one("LeakyRelu", kept(&["alpha"])),
        "QLinearGlobalAveragePool" => one("GlobalAveragePool", vec![]),
        "QLinearAveragePool" => {
            let names = ["auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"];
            one("AveragePool", kept(&names))
        }
        // Before version 13 over all axes from this one on.
        "QLinearSoftmax" if axis() == -1 || (number(node, "opset")? < 13) == (opset < 13) => {
            one("Softmax", vec![int("axis", axis())])
        }
        "QLinearConcat" => ("Concat", vec![], (2..node.input.len()).step_by(3).collect(), 0, kept(&["axis"])),
        "QGemm" => return gemm(node),
        _ => return None,
    };
    let is_given = |place: &usize| node.input.get(*place).is_some_and(|input| !input.is_empty());
    let scales = quantized.iter().map(|place| place + 1).chain([scale]);
    let is_whole = plain.iter().copied().chain(quantized.iter().copied()).chain(scales).all(|x| is_given(&x));
    let is_whole = is_whole && !quantized.is_empty() && node.output.len() == 1;
    is_whole.then_some(Definition { operator, plain, quantized, scale, attributes })
}

/// The bias is of 32 bits, its scale the product of the others: it is added before `alpha` scales the sum.
fn gemm(node: &NodeProto) -> Option<Definition> {
    let is_given = |place: usize| node.input.get(place).is_some_and(|input| !input.is_empty());
    let is_whole = [0, 1, 3, 4].into_iter().all(is_given) && node.output.len() == 1;
    let names = ["alpha", "transA", "transB"];
    let kept = node.attribute.iter().filter(|attribute| names.contains(&attribute.name.as_str()));
    let mut attributes: Vec<AttributeProto> = kept.cloned().collect();
    let beta = attributes.iter().find(|attribute| attribute.name == "alpha").cloned();
    attributes.extend(beta.map(|alpha| AttributeProto { name: "beta".into(), ..alpha }));
    let definition =
        Definition { operator: "Gemm", plain: vec![], quantized: vec![0, 3], scale: 7, attributes };
    is_whole.then_some(definition)
}

impl Definition {
    fn nodes(self, given: &NodeProto) -> Vec<NodeProto> {
        let input = |place: usize| given.input.get(place).map(String::as_str).unwrap_or_default();
        let output = given.output.first().map(String::as_str).unwrap_or_default();
        let name = |part: &str| format!("dunlin/{output}/{part}");
        let mut nodes = Vec::new();
        let mut operands: Vec<String> = self.plain.iter().map(|place| input(*place).to_owned()).collect();
        let is_gemm = self.operator == "Gemm";
        for place in &self.quantized {
            let value = name(&format!("value_{place}"));
            // Scales of a matrix' columns, of its rows where it is transposed.
            let axis = if number(given, "transB").unwrap_or(0) == 0 { 1 } else { 0 };
            let attributes = if is_gemm && *place == 3 { vec![int("axis", axis)] } else { vec![] };
            let inputs = [input(*place), input(place + 1), input(place + 2)];
            nodes.push(node("DequantizeLinear", &inputs, &value, attributes));
            operands.push(value);
        }
        if is_gemm && !input(6).is_empty() {
            let (scale, bias) = (name("scale"), name("bias"));
            nodes.push(node("Mul", &[input(1), input(4)], &scale, vec![]));
            nodes.push(node("DequantizeLinear", &[input(6), &scale], &bias, vec![int("axis", -1)]));
            operands.push(bias);
        }
        let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
        if input(self.scale).is_empty() {
            nodes.push(node(self.operator, &operands, output, self.attributes));
            return nodes;
        }
        let answer = name("answer");
        nodes.push(node(self.operator, &operands, &answer, self.attributes));
        let inputs = [&answer, input(self.scale), input(self.scale + 1)];
        nodes.push(node("QuantizeLinear", &inputs, output, vec![]));
        nodes
    }
}
