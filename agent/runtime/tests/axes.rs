//! Free dimensions: those of one name have one length, and no others.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::{Model, RunError};
use support::graph::{Graph, int};
use tract_onnx::pb::tensor_proto::DataType::Float;

fn ones(name: &str, shape: &[usize]) -> Tensor {
    let data = TensorData::Fp32(vec![1.0; shape.iter().product()]);
    Tensor { name: name.into(), shape: shape.to_vec(), data }
}

fn shapes(model: &Model, inputs: &[Tensor]) -> Vec<Vec<usize>> {
    model.run(inputs).unwrap().into_iter().map(|output| output.shape).collect()
}

#[test]
fn a_dimension_that_two_inputs_name_alike_is_one_wherever_it_stands() {
    let onnx = Graph::new(13)
        .named_input("a", Float, &["N", "T"])
        .named_input("b", Float, &["T", "4"])
        .node("MatMul", &["a", "b"], &["y"], &[])
        .onnx(&["y"]);
    let model = Model::load(&onnx, None).unwrap();
    assert_eq!(shapes(&model, &[ones("a", &[2, 5]), ones("b", &[5, 4])]), [[2, 4]]);
    assert_eq!(shapes(&model, &[ones("a", &[7, 3]), ones("b", &[3, 4])]), [[7, 4]]);
    let error = model.run(&[ones("a", &[2, 5]), ones("b", &[3, 4])]).unwrap_err();
    assert!(matches!(&error, RunError::Shape { input, .. } if input == "b"), "{error}");
}

#[test]
fn first_dimensions_of_two_names_may_differ() {
    let onnx = Graph::new(13)
        .named_input("a", Float, &["M", "T"])
        .named_input("b", Float, &["N", "T"])
        .node("Transpose", &["b"], &["across"], &[support::graph::ints("perm", &[1, 0])])
        .node("MatMul", &["a", "across"], &["y"], &[])
        .onnx(&["y"]);
    let model = Model::load(&onnx, None).unwrap();
    assert_eq!(shapes(&model, &[ones("a", &[2, 5]), ones("b", &[3, 5])]), [[2, 3]]);
}

#[test]
fn a_batch_that_has_another_name_in_every_input_is_still_one() {
    let onnx = Graph::new(13)
        .named_input("a", Float, &["unk__1", "3"])
        .named_input("b", Float, &["unk__2", "3"])
        .node("Concat", &["a", "b"], &["wide"], &[int("axis", 1)])
        .node("Add", &["a", "b"], &["sum"], &[])
        .onnx(&["wide", "sum"]);
    let model = Model::load(&onnx, None).unwrap();
    assert_eq!(shapes(&model, &[ones("a", &[4, 3]), ones("b", &[4, 3])]), [[4, 6], [4, 3]]);
    let error = model.run(&[ones("a", &[4, 3]), ones("b", &[2, 3])]).unwrap_err().to_string();
    assert!(error.contains("`b`") && error.contains("same number of rows"), "{error}");
}

#[test]
fn a_batch_without_a_name_is_one_over_all_inputs() {
    let onnx = Graph::new(13)
        .input("a", Float, &[-1, 3])
        .input("b", Float, &[-1, 3])
        .node("Add", &["a", "b"], &["y"], &[])
        .onnx(&["y"]);
    let model = Model::load(&onnx, None).unwrap();
    assert_eq!(shapes(&model, &[ones("a", &[2, 3]), ones("b", &[2, 3])]), [[2, 3]]);
    assert!(matches!(model.run(&[ones("a", &[2, 3]), ones("b", &[1, 3])]), Err(RunError::Shape { .. })));
}

#[test]
fn initial_states_of_a_recurrent_layer_share_its_batch() {
    let onnx = Graph::new(13)
        .named_input("X", Float, &["steps", "rows", "2"])
        .named_input("h", Float, &["1", "rows", "3"])
        .named_input("c", Float, &["1", "rows", "3"])
        .floats("W", &[1, 12, 2], &[0.1; 24])
        .floats("R", &[1, 12, 3], &[0.1; 36])
        .node("LSTM", &["X", "W", "R", "", "", "h", "c"], &["Y", "Yh", "Yc"], &[int("hidden_size", 3)])
        .onnx(&["Y", "Yh", "Yc"]);
    let model = Model::load(&onnx, None).unwrap();
    for (steps, rows) in [(1, 1), (5, 1), (3, 4)] {
        let inputs = [ones("X", &[steps, rows, 2]), ones("h", &[1, rows, 3]), ones("c", &[1, rows, 3])];
        assert_eq!(shapes(&model, &inputs), [vec![steps, 1, rows, 3], vec![1, rows, 3], vec![1, rows, 3]]);
    }
}
