//! Operators of quantized tensors that ONNX Runtime's static quantization writes (QOperator format: `QLinearConv`, and those
//! of `com.microsoft`), as what they are defined by: the operator on the values, between `DequantizeLinear` and
//! `QuantizeLinear`, which become one operator again ([`crate::steps`]). The scales of ONNX' own `QLinearMatMul` become
//! numbers in single precision, which is all that the engine takes there.

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
    /// Of a layer: what its weights and its bias are.
    layer: Option<Layer>,
    attributes: Vec<AttributeProto>,
}

/// The second quantized input of a layer is its weights. The bias is of 32 bits, its scale the product of those of the input
/// and the weights.
struct Layer {
    /// Axis of the weights along which their scales differ.
    axis: i64,
    /// Place of the bias.
    bias: usize,
}

fn definition(node: &NodeProto, opset: i64) -> Option<Definition> {
    if node.op_type == "QLinearConv" && matches!(node.domain.as_str(), "" | "ai.onnx") {
        let layer = Some(Layer { axis: 0, bias: 8 });
        let attributes = node.attribute.clone();
        let definition = Definition {
            operator: "Conv",
            plain: vec![],
            quantized: vec![0, 3],
            scale: 6,
            layer,
            attributes,
        };
        return definition.if_whole(node);
    }
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
    (!quantized.is_empty()).then_some(())?;
    Definition { operator, plain, quantized, scale, layer: None, attributes }.if_whole(node)
}

/// The bias is added before `alpha` scales the sum. The scale of the output may be missing: then it is not quantized.
fn gemm(node: &NodeProto) -> Option<Definition> {
    let is_whole = [0, 1, 3, 4].into_iter().all(|place| is_given(node, place)) && node.output.len() == 1;
    let names = ["alpha", "transA", "transB"];
    let kept = node.attribute.iter().filter(|attribute| names.contains(&attribute.name.as_str()));
    let mut attributes: Vec<AttributeProto> = kept.cloned().collect();
    let beta = attributes.iter().find(|attribute| attribute.name == "alpha").cloned();
    attributes.extend(beta.map(|alpha| AttributeProto { name: "beta".into(), ..alpha }));
    // Scales of a matrix' columns, of its rows where it is transposed.
    let axis = if number(node, "transB").unwrap_or(0) == 0 { 1 } else { 0 };
    let layer = Some(Layer { axis, bias: 6 });
    let definition =
        Definition { operator: "Gemm", plain: vec![], quantized: vec![0, 3], scale: 7, layer, attributes };
    is_whole.then_some(definition)
}

fn is_given(node: &NodeProto, place: usize) -> bool {
    node.input.get(place).is_some_and(|input| !input.is_empty())
}

impl Definition {
    /// The definition, if all that it takes is given.
    fn if_whole(self, node: &NodeProto) -> Option<Self> {
        let scales = self.quantized.iter().map(|place| place + 1).chain([self.scale]);
        let mut places = self.plain.iter().chain(&self.quantized).copied().chain(scales);
        let is_whole = places.all(|place| is_given(node, place)) && node.output.len() == 1;
        is_whole.then_some(self)
    }

    fn nodes(self, given: &NodeProto) -> Vec<NodeProto> {
        let input = |place: usize| given.input.get(place).map(String::as_str).unwrap_or_default();
        let output = given.output.first().map(String::as_str).unwrap_or_default();
        let name = |part: &str| format!("dunlin/{output}/{part}");
        let mut nodes = Vec::new();
        let mut operands: Vec<String> = self.plain.iter().map(|place| input(*place).to_owned()).collect();
        for place in &self.quantized {
            let value = name(&format!("value_{place}"));
            let layer = self.layer.as_ref().filter(|_| *place == 3);
            let attributes = layer.map(|layer| int("axis", layer.axis)).into_iter().collect();
            let inputs = [input(*place), input(place + 1), input(place + 2)];
            nodes.push(node("DequantizeLinear", &inputs, &value, attributes));
            operands.push(value);
        }
        if let Some(bias) = self.layer.map(|layer| input(layer.bias)).filter(|bias| !bias.is_empty()) {
            let (scale, value) = (name("scale"), name("bias"));
            nodes.push(node("Mul", &[input(1), input(4)], &scale, vec![]));
            nodes.push(node("DequantizeLinear", &[bias, &scale], &value, vec![int("axis", -1)]));
            operands.push(value);
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
