//! Following narrow types through a graph, and the graphs inside of it.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto,
};

use super::nodes::{self, int, round};
use super::rules::{self, Rule, TYPE_ATTRIBUTES};
use super::{NarrowType, unpack};
use crate::error::{LoadError, UnsupportedNode};
use crate::{branches, proto};

/// Which type each output of a graph or node has, where it is a narrow one.
pub(super) type Kinds = Vec<Option<NarrowType>>;

/// Lifts what is narrow in a model; one without narrow types stays as it is.
pub(crate) fn lift(model: &mut ModelProto) -> Result<(), LoadError> {
    match &mut model.graph {
        Some(graph) if mentions(graph) => Lifting::default().graph(graph, None).map(|_| ()),
        _ => Ok(()),
    }
}

#[derive(Debug, Clone)]
struct Known {
    kind: NarrowType,
    /// The name under which it is read, where that is another one.
    read_as: Option<String>,
}

/// What is known of the names that can be read at a place of the graph.
#[derive(Default)]
struct Scope {
    known: BTreeMap<String, Known>,
    /// What was known of names before they were learnt anew, the latest last.
    before: Vec<(String, Option<Known>)>,
}

impl Scope {
    fn kind(&self, name: &str) -> Option<NarrowType> {
        self.known.get(name).map(|known| known.kind)
    }

    fn read_as(&self, name: &str) -> Option<&String> {
        self.known.get(name).and_then(|known| known.read_as.as_ref())
    }

    fn learn(&mut self, name: &str, kind: Option<NarrowType>) {
        self.learn_as(name, kind, None);
    }

    fn learn_as(&mut self, name: &str, kind: Option<NarrowType>, read_as: Option<String>) {
        let before = match kind {
            Some(kind) => self.known.insert(name.to_owned(), Known { kind, read_as }),
            None => self.known.remove(name),
        };
        if kind.is_some() || before.is_some() {
            self.before.push((name.to_owned(), before));
        }
    }

    /// Forgets what was learnt since there were `length` entries of `before`.
    fn forget(&mut self, length: usize) {
        while self.before.len() > length {
            match self.before.pop() {
                Some((name, Some(known))) => self.known.insert(name, known),
                Some((name, None)) => self.known.remove(&name),
                None => None,
            };
        }
    }
}

#[derive(Default)]
struct Lifting {
    scope: Scope,
    /// What is unpacked so far.
    bytes: usize,
}

impl Lifting {
    /// Lifts a graph inside of a node that gives its inputs these types, and says those of its outputs.
    fn body(&mut self, graph: &mut GraphProto, given: &[Option<NarrowType>]) -> Result<Kinds, LoadError> {
        let length = self.scope.before.len();
        let kinds = self.graph(graph, Some(given));
        self.scope.forget(length);
        kinds
    }

    /// Lifts a graph, the outermost one where no types are given.
    fn graph(
        &mut self,
        graph: &mut GraphProto,
        given: Option<&[Option<NarrowType>]>,
    ) -> Result<Kinds, LoadError> {
        for tensor in &mut graph.initializer {
            let kind = self.tensor(tensor)?;
            self.scope.learn(&tensor.name, kind);
        }
        let mut nodes = self.inputs(graph, given)?;
        check_order(graph)?;
        for mut node in std::mem::take(&mut graph.node) {
            for input in &mut node.input {
                if let Some(read_as) = self.scope.read_as(input) {
                    input.clone_from(read_as);
                }
            }
            self.node(node, &mut nodes)?;
        }
        graph.node = nodes;
        for output in &mut graph.output {
            lift_type(output);
            match self.scope.read_as(&output.name) {
                Some(_) if given.is_none() => {
                    return Err(malformed(format!("`{}` is an input and an output", output.name)));
                }
                Some(read_as) => output.name.clone_from(read_as),
                None => {}
            }
        }
        Ok(graph.output.iter().map(|output| self.scope.kind(&output.name)).collect())
    }

    /// Lifts the inputs of a graph, and gives the nodes that round those of the outermost one.
    fn inputs(
        &mut self,
        graph: &mut GraphProto,
        given: Option<&[Option<NarrowType>]>,
    ) -> Result<Vec<NodeProto>, LoadError> {
        let held: BTreeSet<&String> = graph.initializer.iter().map(|tensor| &tensor.name).collect();
        let mut nodes = Vec::new();
        for (index, input) in graph.input.iter_mut().enumerate() {
            let declared = lift_type(input);
            if held.contains(&input.name) {
                continue;
            }
            let Some(given) = given else {
                let kind = declared.flatten();
                let inside = format!("dunlin/{}/rounded", input.name);
                if let Some(kind) = kind {
                    nodes.push(round(&input.name, &inside, kind, vec![int("strict", 1)]));
                    self.scope.learn(&inside, Some(kind));
                }
                self.scope.learn_as(&input.name, kind, Some(inside));
                continue;
            };
            let given = given.get(index).copied().flatten();
            if declared.is_some_and(|declared| declared != given) {
                return Err(malformed(format!("`{}` has another type inside of a node", input.name)));
            }
            self.scope.learn(&input.name, given);
        }
        Ok(nodes)
    }

    /// Lifts a node and puts what it becomes behind `nodes`.
    fn node(&mut self, mut node: NodeProto, nodes: &mut Vec<NodeProto>) -> Result<(), LoadError> {
        let inputs: Kinds = node.input.iter().map(|input| self.scope.kind(input)).collect();
        let mut held = None;
        for attribute in &mut node.attribute {
            for tensor in attribute.t.iter_mut().chain(&mut attribute.tensors) {
                held = self.tensor(tensor)?.or(held);
            }
        }
        let rule = match node.op_type.as_str() {
            "If" | "Loop" | "Scan" => Rule::Exact(self.bodies(&mut node, &inputs)?),
            _ => rules::rule(&node, &inputs, held).map_err(|reason| unsupported(&node, reason))?,
        };
        match rule {
            Rule::Exact(kinds) => {
                self.learn_outputs(&node, &kinds);
                nodes.push(node);
            }
            Rule::Rounded(kinds) => {
                self.learn_outputs(&node, &kinds);
                // What is told of the node names it as the file does.
                node.name = proto::label(&node);
                let mut rounding = Vec::new();
                for (output, kind) in node.output.iter_mut().zip(kinds) {
                    if let Some(kind) = kind.filter(|_| !output.is_empty()) {
                        let exact = format!("dunlin/{output}/exact");
                        rounding.push(round(&exact, output, kind, Vec::new()));
                        *output = exact;
                    }
                }
                rules::in_single_precision(&mut node);
                nodes.push(node);
                nodes.append(&mut rounding);
            }
            Rule::Replaced(mut made, kind) => {
                self.learn_outputs(&node, &[kind]);
                nodes.append(&mut made);
            }
        }
        Ok(())
    }

    fn learn_outputs(&mut self, node: &NodeProto, kinds: &[Option<NarrowType>]) {
        for (index, output) in node.output.iter().enumerate() {
            self.scope.learn(output, kinds.get(index).copied().flatten());
        }
    }

    /// Lifts the graphs inside of a node, and says what the node gives.
    fn bodies(&mut self, node: &mut NodeProto, inputs: &Kinds) -> Result<Kinds, LoadError> {
        let scanned = nodes::number(node, "num_scan_inputs").and_then(|count| usize::try_from(count).ok());
        // Behind the first inputs, which count and end a loop, stand the values that go round; it gives those alone,
        // not whether it goes on.
        let (given, first, left_out) = match node.op_type.as_str() {
            "If" => (&[][..], 0, 0),
            "Loop" => (&inputs[..], 2, 1),
            _ => (&inputs[..], 0, 0),
        };
        let carried = given.get(first..given.len().saturating_sub(scanned.unwrap_or_default()));
        let mut found: Option<Kinds> = None;
        for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
            let mut kinds = self.body(graph, given)?;
            kinds.drain(..left_out.min(kinds.len()));
            if found.as_ref().is_some_and(|before| *before != kinds) {
                return Err(malformed(format!("the branches of `{}` give other types", proto::label(node))));
            }
            found = Some(kinds);
        }
        let found = found.unwrap_or_default();
        if carried.unwrap_or_default().iter().zip(&found).any(|(given, found)| given != found) {
            let name = proto::label(node);
            return Err(malformed(format!("a value that goes round in `{name}` changes its type")));
        }
        Ok(found)
    }

    fn tensor(&mut self, tensor: &mut TensorProto) -> Result<Option<NarrowType>, LoadError> {
        let kind = unpack(tensor).map_err(|what| malformed(format!("tensor `{}` {what}", tensor.name)))?;
        if kind.is_some() {
            self.bytes = self.bytes.saturating_add(tensor.raw_data.len());
        }
        if self.bytes > proto::MAX_BYTES {
            let what = "bytes in tensors of narrow types once they are unpacked";
            return Err(LoadError::TooLarge { what, found: self.bytes, limit: proto::MAX_BYTES });
        }
        Ok(kind)
    }
}

fn malformed(reason: String) -> LoadError {
    LoadError::Malformed { reason }
}

fn unsupported(node: &NodeProto, reason: String) -> LoadError {
    let (operator, node) = (node.op_type.clone(), proto::label(node));
    LoadError::Unsupported { nodes: vec![UnsupportedNode { operator, node, reason: Some(reason) }] }
}

/// Nodes stand behind what they read: else its type were not known yet.
fn check_order(graph: &GraphProto) -> Result<(), LoadError> {
    let mut later: BTreeSet<&String> = graph.node.iter().flat_map(|node| &node.output).collect();
    for node in &graph.node {
        node.output.iter().for_each(|output| {
            later.remove(output);
        });
        let mut early = None;
        branches::names_of(node, &mut |name| {
            if !name.is_empty() && later.contains(name) {
                early = Some(name.clone());
            }
        });
        if let Some(name) = early {
            let node = proto::label(node);
            return Err(malformed(format!("node `{node}` stands before what gives it `{name}`")));
        }
    }
    Ok(())
}

/// The narrow type that an input or output is declared to have, which is replaced by its carrier; `None` where no type
/// is declared.
fn lift_type(value: &mut ValueInfoProto) -> Option<Option<NarrowType>> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_mut()?.value.as_mut()?;
    let kind = NarrowType::from_onnx(tensor.elem_type.into());
    let is_declared = tensor.elem_type != 0;
    if let Some(kind) = kind {
        tensor.elem_type = kind.carrier() as i32;
    }
    is_declared.then_some(kind)
}

/// Whether a narrow type stands anywhere in a graph.
fn mentions(graph: &GraphProto) -> bool {
    let is_narrow = |number: i64| NarrowType::from_onnx(number).is_some();
    let is_declared =
        |value: &ValueInfoProto| match value.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
            Some(type_proto::Value::TensorType(tensor)) => is_narrow(tensor.elem_type.into()),
            None => false,
        };
    let names_type = |attribute: &AttributeProto| {
        TYPE_ATTRIBUTES.contains(&attribute.name.as_str()) && is_narrow(attribute.i)
    };
    let in_attribute = |attribute: &AttributeProto| {
        names_type(attribute)
            || attribute.t.iter().chain(&attribute.tensors).any(|tensor| is_narrow(tensor.data_type.into()))
            || attribute.g.iter().chain(&attribute.graphs).any(mentions)
    };
    graph.initializer.iter().any(|tensor| is_narrow(tensor.data_type.into()))
        || graph.input.iter().chain(&graph.output).any(is_declared)
        || graph.node.iter().flat_map(|node| &node.attribute).any(in_attribute)
}
