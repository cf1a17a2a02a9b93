//! Reading the ONNX protobuf, bounded: everything that the engine would trust is checked here first.

use tract_onnx::pb;

use crate::error::LoadError;
use crate::functions;
use crate::narrow::NarrowType;
use crate::weight::weight;

/// Largest model file in bytes.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;
/// Most memory of a file that is read, in bytes: so many, and so many times its own size. Messages are hundreds of bytes
/// in memory and two on disk, but weights are the most of a model.
const MEMORY: (usize, usize) = (16 << 20, 4);
/// Most nodes in all graphs of a model.
pub const MAX_NODES: usize = 20_000;
/// Most dimensions of a tensor.
const MAX_RANK: usize = 16;
/// Deepest nesting of graphs in graphs.
const MAX_DEPTH: usize = 8;

/// Reads a model, writes out its own functions, and refuses what is too large, has weights elsewhere, or contradicts itself.
pub fn read(onnx: &[u8]) -> Result<pb::ModelProto, LoadError> {
    use tract_onnx::tract_hir::prelude::Framework;
    if onnx.is_empty() {
        return Err(LoadError::NotOnnx { reason: "the file is empty".into() });
    }
    bound("bytes", onnx.len(), MAX_BYTES)?;
    let (least, times) = MEMORY;
    let most = least + times * onnx.len();
    let memory = usize::try_from(weight(onnx, most as u64)).unwrap_or(usize::MAX);
    bound("bytes or more once it is read", memory, most)?;
    let mut model = tract_onnx::onnx().proto_model_for_read(&mut &onnx[..]).map_err(|_| {
        LoadError::NotOnnx { reason: "the bytes are not the protobuf message that ONNX is".into() }
    })?;
    functions::write_out(&mut model, onnx, most)?;
    let graph = match &model.graph {
        Some(graph) if !graph.node.is_empty() && !graph.output.is_empty() => graph,
        _ => {
            return Err(LoadError::NotOnnx {
                reason: "there is no graph with nodes and outputs in it".into(),
            });
        }
    };
    let mut nodes = 0;
    check_graph(graph, 0, &mut nodes)?;
    Ok(model)
}

/// Refuses what there is too much of.
pub fn bound(what: &'static str, found: usize, limit: usize) -> Result<(), LoadError> {
    if found > limit { Err(LoadError::TooLarge { what, found, limit }) } else { Ok(()) }
}

/// Every node of a graph, those of graphs inside it included.
pub fn visit_nodes<'a>(graph: &'a pb::GraphProto, visit: &mut dyn FnMut(&'a pb::NodeProto)) {
    for node in &graph.node {
        visit(node);
        for attribute in &node.attribute {
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                visit_nodes(inner, visit);
            }
        }
    }
}

fn check_graph(graph: &pb::GraphProto, depth: usize, nodes: &mut usize) -> Result<(), LoadError> {
    bound("graphs inside each other", depth, MAX_DEPTH)?;
    *nodes += graph.node.len();
    bound("nodes", *nodes, MAX_NODES)?;
    graph.initializer.iter().try_for_each(check_tensor)?;
    if let Some(sparse) = graph.sparse_initializer.first() {
        let node = sparse.values.as_ref().map(|v| v.name.clone()).unwrap_or_default();
        return Err(LoadError::Unsupported {
            nodes: vec![crate::UnsupportedNode::unknown("sparse initializer".into(), node)],
        });
    }
    let mut names = std::collections::HashSet::new();
    for node in &graph.node {
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if !names.insert(output.as_str()) {
                return Err(malformed(format!("two nodes give `{output}`")));
            }
        }
        for attribute in &node.attribute {
            check_lengths(node, attribute)?;
            attribute.t.iter().chain(&attribute.tensors).try_for_each(check_tensor)?;
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                check_graph(inner, depth + 1, nodes)?;
            }
        }
    }
    if depth > 0 {
        return Ok(());
    }
    names.extend(graph.input.iter().map(|input| input.name.as_str()));
    names.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    for node in &graph.node {
        if let Some(missing) = node.input.iter().find(|n| !n.is_empty() && !names.contains(n.as_str())) {
            return Err(malformed(format!("node `{}` reads `{missing}`, which nothing gives", label(node))));
        }
    }
    match graph.output.iter().find(|output| !names.contains(output.name.as_str())) {
        Some(output) => Err(malformed(format!("nothing gives the output `{}`", output.name))),
        None => Ok(()),
    }
}

/// Refuses attributes that are lengths or axes beyond any tensor's: the engine computes with them unchecked.
fn check_lengths(node: &pb::NodeProto, attribute: &pb::AttributeProto) -> Result<(), LoadError> {
    const LENGTHS: [&str; 12] = [
        "blocksize",
        "dilations",
        "group",
        "k",
        "kernel_shape",
        "output_padding",
        "output_shape",
        "pads",
        "repeats",
        "size",
        "split",
        "strides",
    ];
    let mut numbers = attribute.ints.iter().chain([&attribute.i]);
    let most = match attribute.name.as_str() {
        "axis" | "axes" => MAX_RANK as i64,
        name if LENGTHS.contains(&name) => i32::MAX.into(),
        _ => return Ok(()),
    };
    match numbers.find(|number| !(-most..=most).contains(*number)) {
        Some(number) => {
            Err(malformed(format!("node `{}` has {number} in `{}`", label(node), attribute.name)))
        }
        None => Ok(()),
    }
}

/// A node's name, or its first output where it has none.
pub fn label(node: &pb::NodeProto) -> String {
    if node.name.is_empty() { node.output.first().cloned().unwrap_or_default() } else { node.name.clone() }
}

fn malformed(reason: String) -> LoadError {
    LoadError::Malformed { reason }
}

/// Bits per element of the types that are read; `None` for texts; an error for others.
fn bits(tensor: &pb::TensorProto) -> Result<Option<usize>, LoadError> {
    use pb::tensor_proto::DataType as T;
    if let Some(kind) = NarrowType::from_onnx(tensor.data_type.into()) {
        return Ok(Some(kind.bits()));
    }
    Ok(match T::try_from(tensor.data_type) {
        Ok(T::Bool | T::Uint8 | T::Int8) => Some(8),
        Ok(T::Uint16 | T::Int16 | T::Float16) => Some(16),
        Ok(T::Uint32 | T::Int32 | T::Float) => Some(32),
        Ok(T::Uint64 | T::Int64 | T::Double) => Some(64),
        Ok(T::String) => None,
        _ => {
            return Err(LoadError::Unsupported {
                nodes: vec![crate::UnsupportedNode::unknown(
                    format!("tensor of element type {}", tensor.data_type),
                    tensor.name.clone(),
                )],
            });
        }
    })
}

fn check_tensor(tensor: &pb::TensorProto) -> Result<(), LoadError> {
    let external = pb::tensor_proto::DataLocation::External as i32;
    if tensor.data_location == Some(external) || !tensor.external_data.is_empty() {
        return Err(LoadError::ExternalData { tensor: tensor.name.clone() });
    }
    let wrong = |what: &str| Err(malformed(format!("tensor `{}` {what}", tensor.name)));
    bound("dimensions in a tensor", tensor.dims.len(), MAX_RANK)?;
    let bits = bits(tensor)?;
    let volume = tensor.dims.iter().try_fold(1_usize, |product, dim| {
        usize::try_from(*dim).ok().and_then(|dim| product.checked_mul(dim))
    });
    let Some(volume) = volume.filter(|v| *v <= MAX_BYTES) else { return wrong("has impossible dimensions") };
    // Less than a byte each: as many in one as fit.
    let entries = volume.div_ceil(bits.map_or(1, |bits| (8 / bits).max(1)));
    let held = match bits {
        Some(bits) if !tensor.raw_data.is_empty() => {
            if tensor.raw_data.len() != entries * bits.div_ceil(8) {
                return wrong("has another number of bytes than its shape says");
            }
            entries
        }
        None if !tensor.raw_data.is_empty() => return wrong("holds texts as raw bytes"),
        None => tensor.string_data.len(),
        Some(_) => {
            tensor.float_data.len()
                + tensor.int32_data.len()
                + tensor.int64_data.len()
                + tensor.double_data.len()
                + tensor.uint64_data.len()
        }
    };
    if held != entries { wrong("has another number of elements than its shape says") } else { Ok(()) }
}
