//! The graph of a pipeline: fill, scale, one-hot, one product, and the answer.

use prost::Message;

use super::{
    node::{Builder, Element, ML, int, strings},
    proto::{ModelProto, OperatorSetIdProto},
};
use crate::{dataset::Column, pipeline::Pipeline, preprocessing::Step, table::Target};

/// Tensor names that devices and golden vectors use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names;

impl Names {
    /// The only input where all features are numbers.
    pub const INPUT: &str = "x";
    /// A classifier's label.
    pub const LABEL: &str = "label";
    /// A classifier's probabilities.
    pub const PROBABILITIES: &str = "probabilities";
    /// A regression's answer.
    pub const PREDICTION: &str = "prediction";

    /// True when a column of this name would collide with a tensor of the graph.
    pub fn is_taken(name: &str) -> bool {
        [Self::LABEL, Self::PROBABILITIES, Self::PREDICTION].contains(&name) || name.starts_with("step/")
    }
}

/// Version of the file format; read by every runtime that knows opset 17.
const IR_VERSION: i64 = 8;

/// The model file. The same pipeline gives the same bytes.
pub(crate) fn encode(pipeline: &Pipeline, features: &[Column], target: &Target) -> Vec<u8> {
    let mut graph = Builder::new("pipeline");
    let matrix = preprocessing(&mut graph, pipeline, features);
    let linear = &pipeline.linear;
    let (columns, outputs) = linear.weights.dim();
    let weights: Vec<f32> = linear.weights.iter().copied().collect();
    let weights = graph.floats("step/weights", &[columns, outputs], &weights);
    let intercepts = graph.floats("step/intercepts", &[outputs], &linear.intercepts.to_vec());
    let products = graph.node("MatMul", &[&matrix, &weights], "step/products", vec![]);
    match target {
        Target::Numbers(_) => {
            graph.node("Add", &[&products, &intercepts], Names::PREDICTION, vec![]);
            graph.output(Names::PREDICTION, Element::Float, Some(1));
        }
        Target::Labels { labels, integers, .. } => {
            let scores = graph.node("Add", &[&products, &intercepts], "step/scores", vec![]);
            let softmax = vec![int("axis", -1)];
            let probabilities = graph.node("Softmax", &[&scores], Names::PROBABILITIES, softmax);
            let arg_max = vec![int("axis", 1), int("keepdims", 0)];
            let index = graph.node("ArgMax", &[&probabilities], "step/label_index", arg_max);
            let whole: Option<Vec<i64>> =
                integers.then(|| labels.iter().map(|label| label.parse().ok()).collect()).flatten();
            let (known, element) = match whole {
                Some(labels) => (graph.integers("step/labels", &labels), Element::Int64),
                None => (graph.texts("step/labels", labels), Element::Text),
            };
            graph.node("Gather", &[&known, &index], Names::LABEL, vec![int("axis", 0)]);
            graph.output(Names::LABEL, element, None);
            graph.output(Names::PROBABILITIES, Element::Float, Some(labels.len()));
        }
    }
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    let mut opset_import = vec![opset("", 17)];
    if pipeline.preprocessing.steps.iter().any(|step| matches!(step, Step::Text(_))) {
        opset_import.push(opset(ML, 3));
    }
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph.finish()),
        opset_import,
    }
    .encode_to_vec()
}

/// Adds inputs and preprocessing; gives back the name of the matrix. With a text column among the features each
/// column is an input of its own, because a tensor has one element type.
fn preprocessing(graph: &mut Builder, pipeline: &Pipeline, features: &[Column]) -> String {
    let steps = &pipeline.preprocessing.steps;
    let scales: Vec<_> = steps
        .iter()
        .filter_map(|step| if let Step::Number(scale) = step { Some(*scale) } else { None })
        .collect();
    let mixed = scales.len() < steps.len();
    let mut parts = Vec::new();
    if !scales.is_empty() {
        let numbers = if mixed {
            let numeric = features.iter().zip(steps).filter(|(_, step)| matches!(step, Step::Number(_)));
            let names: Vec<&str> = numeric.map(|(column, _)| column.name.as_str()).collect();
            graph.node("Concat", &names, "step/numbers", vec![int("axis", 1)])
        } else {
            Names::INPUT.to_owned()
        };
        let column =
            |of: fn(&crate::preprocessing::Scale) -> f32| scales.iter().map(of).collect::<Vec<f32>>();
        let fill = graph.floats("step/fill", &[scales.len()], &column(|s| s.fill));
        let mean = graph.floats("step/mean", &[scales.len()], &column(|s| s.mean));
        let deviation = graph.floats("step/deviation", &[scales.len()], &column(|s| s.deviation));
        let missing = graph.node("IsNaN", &[&numbers], "step/missing", vec![]);
        let filled = graph.node("Where", &[&missing, &fill, &numbers], "step/filled", vec![]);
        let centred = graph.node("Sub", &[&filled, &mean], "step/centred", vec![]);
        parts.push(graph.node("Div", &[&centred, &deviation], "step/scaled", vec![]));
    }
    for (index, (column, step)) in features.iter().zip(steps).enumerate() {
        let Step::Text(known) = step else {
            if mixed {
                graph.input(&column.name, Element::Float, 1);
            }
            continue;
        };
        graph.input(&column.name, Element::Text, 1);
        let attributes = vec![strings("cats_strings", known), int("zeros", 1)];
        let hot = graph.node("OneHotEncoder", &[&column.name], &format!("step/hot_{index}"), attributes);
        // The encoder appends a dimension: [batch, 1, known] becomes [batch, known].
        let shape = graph.integers(&format!("step/shape_{index}"), &[-1, known.len() as i64]);
        parts.push(graph.node("Reshape", &[&hot, &shape], &format!("step/flat_{index}"), vec![]));
    }
    if !mixed {
        graph.input(Names::INPUT, Element::Float, scales.len());
    }
    match parts.as_slice() {
        [only] => only.clone(),
        several => {
            let names: Vec<&str> = several.iter().map(String::as_str).collect();
            graph.node("Concat", &names, "step/matrix", vec![int("axis", 1)])
        }
    }
}
