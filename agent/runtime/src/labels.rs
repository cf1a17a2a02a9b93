//! The class labels that a graph itself names.
//!
//! A constant that is picked from is not yet a list of labels: a nearest-neighbour export picks the training
//! targets, and a regressor then takes their mean. Labels are only what reaches an output as it is.

use std::collections::HashMap;

use tract_onnx::pb::{self, tensor_proto::DataType};

/// Class labels as text, in the order of the probabilities; empty where no output hands them on.
///
/// From each output back through nodes that hand on what they get. What is met there names the classes:
/// a classifier (also from its scores), `ZipMap`, or an `ArrayFeatureExtractor` or `Gather` that picks from a
/// constant, if whole numbers or texts come out.
pub fn labels(graph: &pb::GraphProto) -> Vec<String> {
    let gives: HashMap<&str, &pb::NodeProto> = graph
        .node
        .iter()
        .flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)))
        .collect();
    let mut found = graph.output.iter().map(|output| of_output(graph, &gives, &output.name));
    found.find(|labels| are_labels(labels)).unwrap_or_default()
}

/// More than one, and no two alike.
fn are_labels(labels: &[String]) -> bool {
    let distinct: std::collections::HashSet<&String> = labels.iter().collect();
    labels.len() > 1 && distinct.len() == labels.len()
}

fn of_output(graph: &pb::GraphProto, gives: &HashMap<&str, &pb::NodeProto>, output: &str) -> Vec<String> {
    let mut name = output;
    // The last cast on the way decides what comes out.
    let mut cast_to = None;
    let mut scaled = false;
    // A way back through more nodes than there are is a circle.
    for _ in 0..=graph.node.len() {
        let Some(node) = gives.get(name) else { return Vec::new() };
        let attributes = attribute_labels(node);
        let from_scores = node.output.get(1).is_some_and(|scores| scores == name);
        if !attributes.is_empty() {
            let fits = from_scores || node.op_type == "ZipMap" || !scaled && is_label_type(cast_to);
            return if fits { attributes } else { Vec::new() };
        }
        match node.op_type.as_str() {
            "Cast" => cast_to = cast_to.or_else(|| attribute(node, "to").map(|to| to.i)),
            // These keep one column per class, so that the classifier behind them still names the columns.
            "Normalizer" | "Softmax" => scaled = true,
            "Identity" | "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => {}
            "ArrayFeatureExtractor" | "Gather" if !scaled && is_label_type(cast_to) => {
                let source = node.input.first().and_then(|source| constant(graph, gives, source));
                return source.map(constant_labels).unwrap_or_default();
            }
            _ => return Vec::new(),
        }
        let Some(before) = node.input.first() else { return Vec::new() };
        name = before;
    }
    Vec::new()
}

/// True for whole numbers and texts; also where no cast says otherwise, since label constants are of these types.
fn is_label_type(cast_to: Option<i64>) -> bool {
    let Some(to) = cast_to else { return true };
    let to = i32::try_from(to).ok().and_then(|to| DataType::try_from(to).ok());
    matches!(to, Some(DataType::Int64 | DataType::Int32 | DataType::String))
}

fn attribute<'a>(node: &'a pb::NodeProto, name: &str) -> Option<&'a pb::AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn attribute_labels(node: &pb::NodeProto) -> Vec<String> {
    let lists = node.attribute.iter().filter(|attribute| attribute.name.starts_with("classlabels_"));
    let texts = |list: &pb::AttributeProto| -> Vec<String> {
        let numbers = list.ints.iter().map(ToString::to_string);
        numbers.chain(list.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned())).collect()
    };
    lists.map(texts).find(|labels| !labels.is_empty()).unwrap_or_default()
}

fn constant<'a>(
    graph: &'a pb::GraphProto,
    gives: &HashMap<&str, &'a pb::NodeProto>,
    name: &str,
) -> Option<&'a pb::TensorProto> {
    let node = || gives.get(name).filter(|node| node.op_type == "Constant");
    let initializer = graph.initializer.iter().find(|tensor| tensor.name == name);
    initializer.or_else(|| attribute(node()?, "value")?.t.as_ref())
}

fn constant_labels(tensor: &pb::TensorProto) -> Vec<String> {
    let raw = |width: usize| tensor.raw_data.chunks_exact(width);
    match DataType::try_from(tensor.data_type) {
        Ok(DataType::String) => {
            tensor.string_data.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect()
        }
        Ok(DataType::Int32) => {
            let packed = raw(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            packed.chain(tensor.int32_data.iter().copied()).map(|label| label.to_string()).collect()
        }
        Ok(DataType::Int64) => {
            let packed = raw(8).filter_map(|b| b.try_into().ok()).map(i64::from_le_bytes);
            packed.chain(tensor.int64_data.iter().copied()).map(|label| label.to_string()).collect()
        }
        _ => Vec::new(),
    }
}
