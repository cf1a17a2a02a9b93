//! Labels are what a model answers with, and nothing else that it holds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::spec::{ModelSpec, OutputRole, Task};
use dunlin_runtime::Model;
use support::graph::{Graph, floats, int, ints, texts};
use tract_onnx::pb::tensor_proto::DataType::{Float, Int64};

fn spec(onnx: &[u8]) -> ModelSpec {
    Model::load(onnx, None).unwrap().spec().clone()
}

/// Scores of three classes, and the place of the largest.
fn winner() -> Graph {
    Graph::new(13).input("X", Float, &[-1, 3]).node(
        "ArgMax",
        &["X"],
        &["place"],
        &[int("axis", 1), int("keepdims", 0)],
    )
}

#[test]
fn a_constant_that_is_picked_from_names_the_labels_through_casts_and_reshapes() {
    let onnx = winner()
        .ints("classes", &[3], &[7, 8, 9])
        .ints("flat", &[1], &[-1])
        .node("ai.onnx.ml.ArrayFeatureExtractor", &["classes", "place"], &["picked"], &[])
        .node("Cast", &["picked"], &["real"], &[int("to", 1)])
        .node("Reshape", &["real", "flat"], &["column"], &[])
        .node("Cast", &["column"], &["label"], &[int("to", 7)])
        .onnx(&["label"]);
    let spec = spec(&onnx);
    assert_eq!(
        (spec.task, spec.labels.as_slice()),
        (Task::Classification, &["7", "8", "9"].map(String::from)[..])
    );
    assert_eq!(spec.outputs[0].role, OutputRole::Label);
}

#[test]
fn gathering_from_a_constant_names_the_labels_too() {
    let onnx =
        winner().ints("classes", &[3], &[1, 2, 4]).node("Gather", &["classes", "place"], &["label"], &[]);
    assert_eq!(spec(&onnx.onnx(&["label"])).labels, ["1", "2", "4"]);
}

#[test]
fn training_targets_of_which_the_mean_is_taken_are_no_labels() {
    let onnx = Graph::new(13)
        .input("near", Int64, &[-1, 3])
        .ints("targets", &[4], &[97, 129, 200, 63])
        .ints("shape", &[2], &[-1, 3])
        .node("ai.onnx.ml.ArrayFeatureExtractor", &["targets", "near"], &["picked"], &[])
        .node("Reshape", &["picked", "shape"], &["rows"], &[])
        .node("Cast", &["rows"], &["real"], &[int("to", 1)])
        .node("ReduceMean", &["real"], &["value"], &[ints("axes", &[1])])
        .onnx(&["value"]);
    let spec = spec(&onnx);
    assert_eq!((spec.task, spec.labels.len()), (Task::Regression, 0));
    assert_eq!(spec.outputs[0].role, OutputRole::Value);
}

#[test]
fn targets_that_come_out_as_real_numbers_or_repeat_are_no_labels() {
    let picked = |targets: &[i64], to: i64| {
        let onnx = winner()
            .ints("targets", &[3], targets)
            .node("ai.onnx.ml.ArrayFeatureExtractor", &["targets", "place"], &["picked"], &[])
            .node("Cast", &["picked"], &["answer"], &[int("to", to)])
            .onnx(&["answer"]);
        spec(&onnx).labels.len()
    };
    assert_eq!(picked(&[97, 129, 200], 7), 3);
    assert_eq!(picked(&[97, 129, 200], 1), 0);
    assert_eq!(picked(&[97, 129, 97], 7), 0);
}

#[test]
fn a_classifier_inside_does_not_name_the_labels_of_the_answer() {
    let classifier = [
        texts("classlabels_strings", &["wet", "dry"]),
        floats("coefficients", &[1.0, 0.0, 0.0, 1.0]),
        floats("intercepts", &[0.0, 0.0]),
        int("multi_class", 0),
    ];
    let graph = Graph::new(13).input("X", Float, &[-1, 2]).node(
        "ai.onnx.ml.LinearClassifier",
        &["X"],
        &["label", "scores"],
        &classifier,
    );
    assert_eq!(spec(&graph.clone().onnx(&["label", "scores"])).labels, ["wet", "dry"]);
    let scaled = graph.clone().node("Softmax", &["scores"], &["shares"], &[int("axis", 1)]);
    assert_eq!(spec(&scaled.onnx(&["shares"])).labels, ["wet", "dry"]);
    let mean = graph.node("ReduceMean", &["scores"], &["value"], &[ints("axes", &[1])]);
    assert!(spec(&mean.onnx(&["value"])).labels.is_empty());
}
