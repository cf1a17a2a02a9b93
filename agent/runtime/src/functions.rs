//! Functions of a model's own, written out where they are called.
//!
//! An exporter may write a part of a network once and call it by name, as PyTorch does with modules. Source: "Functions" in
//! the ONNX IR specification. Names inside a function are its own, attributes that its nodes refer to are the call's or the
//! function's defaults, and a function may call others but never itself.

use std::collections::BTreeMap;

use prost::Message;
use tract_onnx::pb;

use crate::error::{LoadError, UnsupportedNode};
use crate::proto;
use crate::weight;

/// Deepest nesting of calls.
const MAX_DEPTH: usize = 32;

/// The part of a file that holds functions.
#[derive(Clone, PartialEq, Message)]
struct Functions {
    #[prost(message, repeated, tag = "25")]
    all: Vec<Function>,
}

/// A function with what the engine's reading leaves out: defaults and overloads.
#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "4")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    output: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    node: Vec<pb::NodeProto>,
    #[prost(string, tag = "10")]
    domain: String,
    #[prost(message, repeated, tag = "11")]
    attribute_proto: Vec<pb::AttributeProto>,
}

/// Writes out the functions of the model that was read from these bytes. `memory` is what they may take once they are
/// written out.
pub fn write_out(model: &mut pb::ModelProto, onnx: &[u8], memory: usize) -> Result<(), LoadError> {
    if model.functions.is_empty() {
        return Ok(());
    }
    model.functions.clear();
    let Functions { all } = Functions::decode(onnx).map_err(|_| LoadError::NotOnnx {
        reason: "its functions are not the protobuf messages that ONNX has".into(),
    })?;
    let mut by_name = BTreeMap::new();
    for function in &all {
        let weight = usize::try_from(weight::of_function(&function.encode_to_vec())).unwrap_or(usize::MAX);
        if by_name.insert(key(&function.domain, &function.name), (function, weight)).is_some() {
            let reason = "the model has several functions of that name: export it with functions written out";
            return Err(LoadError::Unsupported {
                nodes: vec![UnsupportedNode {
                    operator: format!("{}.{}", function.domain, function.name),
                    node: "(a function of the model's own)".into(),
                    reason: Some(reason.into()),
                }],
            });
        }
    }
    let mut writer = Writer { functions: by_name, calls: 0, nodes: 0, taken: 0, memory };
    match &mut model.graph {
        Some(graph) => writer.graph(graph, 0),
        None => Ok(()),
    }
}

/// `ai.onnx` is the other name of the default domain.
fn key<'a>(domain: &'a str, name: &'a str) -> (&'a str, &'a str) {
    (if domain == "ai.onnx" { "" } else { domain }, name)
}

struct Writer<'a> {
    /// Functions, and what each takes in memory.
    functions: BTreeMap<(&'a str, &'a str), (&'a Function, usize)>,
    calls: usize,
    /// Nodes and bytes that were written so far, and the most bytes.
    nodes: usize,
    taken: usize,
    memory: usize,
}

impl Writer<'_> {
    fn graph(&mut self, graph: &mut pb::GraphProto, depth: usize) -> Result<(), LoadError> {
        let nodes = std::mem::take(&mut graph.node);
        graph.node = self.nodes(nodes, depth)?;
        Ok(())
    }

    fn nodes(&mut self, nodes: Vec<pb::NodeProto>, depth: usize) -> Result<Vec<pb::NodeProto>, LoadError> {
        proto::bound("functions inside each other", depth, MAX_DEPTH)?;
        let mut written = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            for attribute in &mut node.attribute {
                for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                    self.graph(inner, depth + 1)?;
                }
            }
            match self.functions.get(&key(&node.domain, &node.op_type)) {
                Some(&(function, weight)) => {
                    self.nodes += function.node.len();
                    self.taken = self.taken.saturating_add(weight);
                    proto::bound("nodes in functions", self.nodes, proto::MAX_NODES)?;
                    proto::bound("bytes once its functions are written out", self.taken, self.memory)?;
                    self.calls += 1;
                    let body = body(function, &node, self.calls)?;
                    written.extend(self.nodes(body, depth + 1)?);
                }
                None => written.push(node),
            }
        }
        Ok(written)
    }
}

/// A call: what the names inside a function mean there.
struct Call<'a> {
    node: &'a pb::NodeProto,
    defaults: &'a [pb::AttributeProto],
    names: BTreeMap<&'a str, &'a str>,
    /// Before names that are the function's own.
    prefix: String,
}

/// The nodes of a function as they stand where it is called.
fn body(function: &Function, node: &pb::NodeProto, number: usize) -> Result<Vec<pb::NodeProto>, LoadError> {
    if node.input.len() > function.input.len() || node.output.len() > function.output.len() {
        let reason = format!(
            "node `{}` gives {} inputs to the function `{}` and takes {} outputs; it has {} and {}",
            proto::label(node),
            node.input.len(),
            function.name,
            node.output.len(),
            function.input.len(),
            function.output.len(),
        );
        return Err(LoadError::Malformed { reason });
    }
    let given = node.input.iter().map(String::as_str).chain(std::iter::repeat(""));
    let mut names: BTreeMap<&str, &str> = function.input.iter().map(String::as_str).zip(given).collect();
    let mut passed = Vec::new();
    for (inside, outside) in function.output.iter().zip(&node.output) {
        match names.get(inside.as_str()) {
            _ if outside.is_empty() => {}
            // What comes out under two names, or goes in and out again, is handed on.
            Some(known) => passed.push(((*known).to_owned(), outside.clone())),
            None => {
                names.insert(inside, outside);
            }
        }
    }
    let prefix = format!("{}/{number}", proto::label(node));
    let call = Call { node, defaults: &function.attribute_proto, names, prefix };
    let mut nodes = function.node.clone();
    call.settle(&mut nodes);
    nodes.extend(passed.into_iter().map(|(from, to)| pb::NodeProto {
        op_type: "Identity".into(),
        name: to.clone(),
        input: vec![from],
        output: vec![to],
        ..Default::default()
    }));
    Ok(nodes)
}

impl Call<'_> {
    fn rename(&self, name: &mut String) {
        match self.names.get(name.as_str()) {
            Some(outside) => (*outside).clone_into(name),
            None if name.is_empty() => {}
            None => *name = format!("{}/{name}", self.prefix),
        }
    }

    fn settle(&self, nodes: &mut [pb::NodeProto]) {
        for node in nodes {
            node.name = format!("{}/{}", self.prefix, proto::label(node));
            node.input.iter_mut().chain(&mut node.output).for_each(|name| self.rename(name));
            let attributes = std::mem::take(&mut node.attribute);
            node.attribute =
                attributes.into_iter().filter_map(|attribute| self.attribute(attribute)).collect();
            for attribute in &mut node.attribute {
                for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                    self.settle_graph(inner);
                }
            }
        }
    }

    fn settle_graph(&self, graph: &mut pb::GraphProto) {
        let values = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
        values.for_each(|value| self.rename(&mut value.name));
        graph.initializer.iter_mut().for_each(|tensor| self.rename(&mut tensor.name));
        self.settle(&mut graph.node);
    }

    /// An attribute that refers to one of the call's: that one, or the function's default, or none.
    fn attribute(&self, attribute: pb::AttributeProto) -> Option<pb::AttributeProto> {
        if attribute.ref_attr_name.is_empty() {
            return Some(attribute);
        }
        let mut all = self.node.attribute.iter().chain(self.defaults);
        let found = all.find(|given| given.name == attribute.ref_attr_name)?;
        Some(pb::AttributeProto { name: attribute.name, ..found.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> pb::NodeProto {
        let domain = if operator.starts_with("my") { "own" } else { "" };
        pb::NodeProto {
            op_type: operator.into(),
            domain: domain.into(),
            input: texts(inputs),
            output: texts(outputs),
            ..Default::default()
        }
    }

    fn function(name: &str, inputs: &[&str], outputs: &[&str], node: Vec<pb::NodeProto>) -> Function {
        let (input, output) = (texts(inputs), texts(outputs));
        Function { name: name.into(), domain: "own".into(), input, output, node, ..Default::default() }
    }

    fn number(name: &str, value: f32) -> pb::AttributeProto {
        pb::AttributeProto { name: name.into(), f: value, ..Default::default() }
    }

    fn refers(name: &str, to: &str) -> pb::AttributeProto {
        pb::AttributeProto { name: name.into(), ref_attr_name: to.into(), ..Default::default() }
    }

    /// The nodes of a graph that gives `y`, with functions written out.
    fn written(nodes: Vec<pb::NodeProto>, functions: Vec<Function>) -> Result<Vec<pb::NodeProto>, String> {
        let graph = pb::GraphProto { node: nodes, ..Default::default() };
        let mut model =
            pb::ModelProto { graph: Some(graph), functions: vec![Default::default()], ..Default::default() };
        let onnx = Functions { all: functions }.encode_to_vec();
        write_out(&mut model, &onnx, 1 << 24).map_err(|error| error.to_string())?;
        assert!(model.functions.is_empty());
        Ok(model.graph.unwrap().node)
    }

    fn edges(nodes: &[pb::NodeProto]) -> Vec<String> {
        let one = |node: &pb::NodeProto| {
            format!("{} = {}({})", node.output.join(","), node.op_type, node.input.join(","))
        };
        nodes.iter().map(one).collect()
    }

    #[test]
    fn a_call_becomes_the_nodes_of_its_function_under_names_of_its_own() {
        let body = vec![node("Mul", &["a", "b"], &["t"]), node("Add", &["t", "a"], &["r"])];
        let calls = vec![node("myScale", &["x", "w"], &["m"]), node("myScale", &["m"], &["y"])];
        let nodes = written(calls, vec![function("myScale", &["a", "b"], &["r"], body)]).unwrap();
        let expected = ["m/1/t = Mul(x,w)", "m = Add(m/1/t,x)", "y/2/t = Mul(m,)", "y = Add(y/2/t,m)"];
        assert_eq!(edges(&nodes), expected);
        assert!(nodes.iter().all(|node| !node.name.is_empty()));
    }

    #[test]
    fn functions_call_functions_and_stand_in_branches() {
        let inner = function("myInner", &["a"], &["r"], vec![node("Relu", &["a"], &["r"])]);
        let mut branch = node("If", &["c"], &["r"]);
        let graph = pb::GraphProto {
            node: vec![node("myInner", &["a"], &["t"])],
            output: vec![pb::ValueInfoProto { name: "t".into(), ..Default::default() }],
            ..Default::default()
        };
        branch.attribute = vec![pb::AttributeProto { g: Some(graph), ..Default::default() }];
        let outer = function("myOuter", &["a", "c"], &["r"], vec![branch]);
        let nodes = written(vec![node("myOuter", &["x", "flag"], &["y"])], vec![outer, inner]).unwrap();
        assert_eq!(edges(&nodes), ["y = If(flag)"]);
        let graph = nodes[0].attribute[0].g.as_ref().unwrap();
        assert_eq!(edges(&graph.node), ["y/1/t = Relu(x)"]);
        assert_eq!(graph.output[0].name, "y/1/t");
    }

    #[test]
    fn attributes_are_the_calls_or_the_defaults_or_left_out() {
        let mut leaky = node("LeakyRelu", &["a"], &["r"]);
        leaky.attribute = vec![refers("alpha", "slope"), refers("beta", "other"), refers("gamma", "none")];
        let mut leaks = function("myLeak", &["a"], &["r"], vec![leaky]);
        leaks.attribute_proto = vec![number("slope", 0.1), number("other", 0.2)];
        let mut call = node("myLeak", &["x"], &["y"]);
        call.attribute = vec![number("slope", 0.5)];
        let nodes = written(vec![call], vec![leaks]).unwrap();
        assert_eq!(nodes[0].attribute, [number("alpha", 0.5), number("beta", 0.2)]);
    }

    #[test]
    fn what_passes_through_is_handed_on_and_what_nobody_takes_stays_inside() {
        let body = vec![node("Relu", &["a"], &["r"])];
        let passes = function("myPass", &["a"], &["a", "r", "r"], body);
        let nodes = written(vec![node("myPass", &["x"], &["p", "q", "s"])], vec![passes.clone()]).unwrap();
        assert_eq!(edges(&nodes), ["q = Relu(x)", "p = Identity(x)", "s = Identity(q)"]);
        let nodes = written(vec![node("myPass", &["x"], &["p"])], vec![passes]).unwrap();
        assert_eq!(edges(&nodes), ["p/1/r = Relu(x)", "p = Identity(x)"]);
    }

    #[test]
    fn functions_without_end_and_calls_that_do_not_fit_are_refused() {
        let itself = function("mySelf", &["a"], &["r"], vec![node("mySelf", &["a"], &["r"])]);
        let refused = written(vec![node("mySelf", &["x"], &["y"])], vec![itself]).unwrap_err();
        assert!(refused.contains("functions inside each other"), "{refused}");

        let twice = |name: &str, next: &str| {
            function(name, &["a"], &["r"], vec![node(next, &["a"], &["t"]), node(next, &["t"], &["r"])])
        };
        let mut many: Vec<Function> =
            (0..30).map(|level| twice(&format!("my{level}"), &format!("my{}", level + 1))).collect();
        many.push(function("my30", &["a"], &["r"], vec![node("Relu", &["a"], &["r"])]));
        let refused = written(vec![node("my0", &["x"], &["y"])], many).unwrap_err();
        assert!(refused.contains("nodes in functions"), "{refused}");

        let mut large = node("Constant", &[], &["r"]);
        let data = pb::TensorProto { raw_data: vec![0; 1 << 20], ..Default::default() };
        large.attribute = vec![pb::AttributeProto { t: Some(data), ..Default::default() }];
        let large = function("myLarge", &[], &["r"], vec![large]);
        let calls = (0..100).map(|index| node("myLarge", &[], &[&format!("y{index}")])).collect();
        let refused = written(calls, vec![large]).unwrap_err();
        assert!(refused.contains("bytes once its functions are written out"), "{refused}");

        let one = function("myOne", &["a"], &["r"], vec![node("Relu", &["a"], &["r"])]);
        let refused = written(vec![node("myOne", &["x", "x"], &["y"])], vec![one.clone()]).unwrap_err();
        assert!(refused.contains("myOne") && refused.contains("gives 2 inputs"), "{refused}");
        let refused = written(vec![node("myOne", &["x"], &["y"])], vec![one.clone(), one]).unwrap_err();
        assert!(refused.contains("several functions"), "{refused}");
    }
}
