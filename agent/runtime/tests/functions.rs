//! Models with functions of their own, as PyTorch writes modules.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::{Model, inspect};
use prost::Message;
use support::graph::Graph;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{FunctionProto, ModelProto};

/// A model that calls `own.Twice`, which adds its input to itself.
fn doubling(operator: &str) -> Vec<u8> {
    let texts = |text: &str| vec![text.to_owned()];
    let body = Graph::new(17).node(operator, &["a", "a"], &["r"], &[]).inner(&["r"]).node;
    let twice = FunctionProto {
        name: Some("Twice".into()),
        domain: Some("own".into()),
        input: texts("a"),
        output: texts("r"),
        node: body,
        ..Default::default()
    };
    let onnx = Graph::new(17)
        .input("x", DataType::Float, &[-1, 2])
        .node("own.Twice", &["x"], &["t"], &[])
        .node("own.Twice", &["t"], &["y"], &[])
        .onnx(&["y"]);
    let mut model = ModelProto::decode(&onnx[..]).unwrap();
    model.functions = vec![twice];
    model.encode_to_vec()
}

#[test]
fn a_function_is_run_wherever_it_is_called() {
    let onnx = doubling("Add");
    assert_eq!(inspect(&onnx).unwrap().operators, ["Add"]);
    let model = Model::load(&onnx, None).unwrap();
    let input = Tensor { name: "x".into(), shape: vec![1, 2], data: TensorData::Fp32(vec![1.5, -2.0]) };
    assert_eq!(model.run(&[input]).unwrap()[0].data, TensorData::Fp32(vec![6.0, -8.0]));
}

#[test]
fn what_a_function_needs_and_is_not_there_is_named() {
    let refused = Model::load(&doubling("Frobnicate"), None).unwrap_err().to_string();
    assert!(refused.contains("Frobnicate"), "{refused}");
}
