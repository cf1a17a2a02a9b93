//! Graphs that can only be planned once their lengths and small inputs are known.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::Model;
use dunlin_runtime::trial::{Trial, try_once};
use support::graph::{Graph, graph, int};
use tract_onnx::pb::tensor_proto::DataType;

fn tensor(name: &str, shape: &[usize], data: TensorData) -> Tensor {
    Tensor { name: name.into(), shape: shape.to_vec(), data }
}

fn ramp(count: usize) -> TensorData {
    TensorData::Fp32((0..count).map(|k| k as f32).collect())
}

#[test]
fn a_shape_may_be_an_input() {
    let onnx = Graph::new(17)
        .input("x", DataType::Float, &[2, 6])
        .input("shape", DataType::Int64, &[2])
        .node("Reshape", &["x", "shape"], &["y"], &[])
        .onnx(&["y"]);
    let model = Model::load(&onnx, None).unwrap();
    assert!(model.is_planned_late());
    for shape in [[3_usize, 4], [4, 3], [3, 4], [12, 1], [1, 12]] {
        // Of another integer type than the graph's.
        let wanted = TensorData::Int32(shape.iter().map(|length| *length as i32).collect());
        let given = [tensor("x", &[2, 6], ramp(12)), tensor("shape", &[2], wanted)];
        let found = model.run(&given).unwrap().remove(0);
        assert_eq!((found.shape.as_slice(), found.data), (shape.as_slice(), ramp(12)));
    }
    let wrong = [tensor("x", &[2, 6], ramp(12)), tensor("shape", &[2], TensorData::Int64(vec![5, 5]))];
    assert!(model.run(&wrong).is_err());
    // One call that cannot be planned leaves the next one as it was.
    let right = [tensor("x", &[2, 6], ramp(12)), tensor("shape", &[2], TensorData::Int64(vec![6, 2]))];
    assert_eq!(model.run(&right).unwrap()[0].shape, [6, 2]);
}

/// Halves its input at one sampling rate and leaves it as it is at others.
fn by_rate() -> Vec<u8> {
    let half = Graph::new(17)
        .ints("begin", &[1], &[0])
        .ints("end", &[1], &[2])
        .ints("axis", &[1], &[1])
        .node("Slice", &["x", "begin", "end", "axis"], &["h"], &[])
        .inner(&["h"]);
    let whole = Graph::new(17).node("Identity", &["x"], &["w"], &[]).inner(&["w"]);
    Graph::new(17)
        .input("x", DataType::Float, &[1, 4])
        .input("rate", DataType::Int64, &[])
        .ints("low", &[], &[8000])
        .node("Equal", &["rate", "low"], &["is_low"], &[])
        .node("If", &["is_low"], &["b"], &[graph("then_branch", half), graph("else_branch", whole)])
        .node("ReduceSum", &["b"], &["y"], &[int("keepdims", 0)])
        .onnx(&["b", "y"])
}

#[test]
fn an_input_may_choose_between_branches_of_different_shapes() {
    let model = Model::load(&by_rate(), None).unwrap();
    for (rate, width, sum) in [(8000, 2, 1.0), (16000, 4, 6.0), (8000, 2, 1.0), (44100, 4, 6.0)] {
        let given = [tensor("x", &[1, 4], ramp(4)), tensor("rate", &[], TensorData::Int64(vec![rate]))];
        let found = model.run(&given).unwrap();
        assert_eq!(found[0].shape, [1, width], "{rate}");
        assert_eq!(found[1].data, TensorData::Fp32(vec![sum]), "{rate}");
    }
    assert_eq!(try_once(&model), Trial::Ran);
}

#[test]
fn what_no_call_could_run_is_refused_when_it_is_loaded() {
    let onnx = Graph::new(17)
        .input("x", DataType::Float, &[-1, 4])
        .floats("w", &[5, 3], &[0.5; 15])
        .node("MatMul", &["x", "w"], &["y"], &[])
        .onnx(&["y"]);
    assert!(Model::load(&onnx, None).is_err());
}

#[test]
fn a_condition_that_asks_for_all_memory_is_refused() {
    let plain = || Graph::new(17).node("Identity", &["x"], &["b"], &[]).inner(&["b"]);
    let onnx = Graph::new(17)
        .input("x", DataType::Float, &[1, 4])
        .ints("long", &[1], &[1 << 30])
        .node("ConstantOfShape", &["long"], &["c"], &[])
        .node("ReduceSum", &["c"], &["s"], &[int("keepdims", 0)])
        .node("Cast", &["s"], &["holds"], &[int("to", DataType::Bool as i64)])
        .node("If", &["holds"], &["y"], &[graph("then_branch", plain()), graph("else_branch", plain())])
        .onnx(&["y"]);
    let error = Model::load(&onnx, None).unwrap_err().to_string();
    assert!(error.contains("ConstantOfShape"), "{error}");
}
