//! Quantization: its limits, and operators on quantized tensors.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::Model;
use support::graph::{Graph, float, int};
use tract_onnx::pb::AttributeProto;
use tract_onnx::pb::tensor_proto::DataType;

fn run(onnx: &[u8], shape: &[usize], data: TensorData) -> Result<TensorData, String> {
    let model = Model::load(onnx, None).map_err(|error| error.to_string())?;
    let input = Tensor { name: "x".into(), shape: shape.to_vec(), data };
    Ok(model.run(&[input]).map_err(|error| error.to_string())?.remove(0).data)
}

fn quantize(shape: &[i64], scale: (&[i64], &[f32]), attributes: &[AttributeProto]) -> Vec<u8> {
    Graph::new(21)
        .input("x", DataType::Float, shape)
        .floats("scale", scale.0, scale.1)
        .node("QuantizeLinear", &["x", "scale"], &["y"], attributes)
        .onnx(&["y"])
}

#[test]
fn what_is_out_of_range_saturates() {
    let x = || TensorData::Fp32(vec![f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e-30, 2.5]);
    let found = |kind| run(&quantize(&[5], (&[], &[1.0]), &[int("output_dtype", kind)]), &[5], x()).unwrap();
    assert_eq!(found(2), TensorData::Uint8(vec![255, 0, 255, 0, 2]));
    assert_eq!(found(3), TensorData::Int8(vec![127, -128, 127, 0, 2]));
    assert_eq!(found(4), TensorData::Uint16(vec![65_535, 0, 65_535, 0, 2]));
    assert_eq!(found(5), TensorData::Int16(vec![32_767, -32_768, 32_767, 0, 2]));
    assert_eq!(found(21), TensorData::Uint8(vec![15, 0, 15, 0, 2]));
    assert_eq!(found(26), TensorData::Int8(vec![1, -2, 1, 0, 1]));
}

#[test]
fn the_last_block_may_be_shorter() {
    let onnx = quantize(&[2, 3], (&[2, 2], &[1.0, 2.0, 4.0, 8.0]), &[int("block_size", 2)]);
    let found = run(&onnx, &[2, 3], TensorData::Fp32(vec![8.0; 6]));
    assert_eq!(found, Ok(TensorData::Uint8(vec![8, 8, 4, 2, 2, 1])));
}

#[test]
fn scales_that_do_not_fit_are_refused() {
    let x = || TensorData::Fp32(vec![1.0; 6]);
    for (scale, attributes) in [
        ((&[2_i64][..], &[1.0_f32, 1.0][..]), vec![]),
        ((&[3], &[1.0; 3]), vec![int("axis", 2)]),
        ((&[3], &[1.0; 3]), vec![int("axis", i64::MIN)]),
        ((&[0], &[]), vec![]),
        ((&[3], &[1.0; 3]), vec![int("block_size", -1)]),
        ((&[2, 3], &[1.0; 6]), vec![int("block_size", i64::MAX)]),
        ((&[1, 3], &[1.0; 3]), vec![int("block_size", 1)]),
        ((&[], &[1.0]), vec![int("output_dtype", 7)]),
        ((&[], &[1.0]), vec![int("output_dtype", 99)]),
        ((&[], &[1.0]), vec![int("output_dtype", i64::MAX)]),
        ((&[], &[1.0]), vec![int("precision", 11)]),
    ] {
        let found = run(&quantize(&[2, 3], scale, &attributes), &[2, 3], x());
        assert!(found.is_err(), "{scale:?} {attributes:?}: {found:?}");
    }
}

#[test]
fn a_sum_of_quantized_tensors_is_that_of_their_values() {
    let onnx = Graph::new(17)
        .input("x", DataType::Uint8, &[3])
        .floats("half", &[], &[0.5])
        .floats("one", &[], &[1.0])
        .bytes("ten", DataType::Uint8 as i32, &[], &[10])
        .bytes("b", DataType::Uint8 as i32, &[3], &[0, 10, 255])
        .node("com.microsoft.QLinearAdd", &["x", "half", "ten", "b", "one", "ten", "one", "ten"], &["y"], &[])
        .onnx(&["y"]);
    let found = run(&onnx, &[3], TensorData::Uint8(vec![10, 12, 255]));
    assert_eq!(found, Ok(TensorData::Uint8(vec![0, 11, 255])));
}

#[test]
fn alpha_scales_the_bias_of_a_quantized_product_too() {
    let onnx = Graph::new(17)
        .input("x", DataType::Int8, &[1, 2])
        .floats("half", &[], &[0.5])
        .bytes("zero", DataType::Int8 as i32, &[], &[0])
        .bytes("b", DataType::Int8 as i32, &[2, 1], &[1, 2])
        .bytes("c", DataType::Int32 as i32, &[1], &[4, 0, 0, 0])
        .node(
            "com.microsoft.QGemm",
            &["x", "half", "zero", "b", "half", "zero", "c"],
            &["y"],
            &[float("alpha", 2.0)],
        )
        .onnx(&["y"]);
    // 2 · ½ · ½ · (3 · 1 + 5 · 2 + 4)
    assert_eq!(run(&onnx, &[1, 2], TensorData::Int8(vec![3, 5])), Ok(TensorData::Fp32(vec![8.5])));
}

#[test]
fn quantized_operators_without_their_inputs_are_refused() {
    for operator in ["QLinearAdd", "QLinearConcat", "QGemm", "QLinearSoftmax", "QLinearWhere"] {
        let onnx = Graph::new(17)
            .input("x", DataType::Uint8, &[3])
            .node(&format!("com.microsoft.{operator}"), &["x"], &["y"], &[])
            .onnx(&["y"]);
        let refused = Model::load(&onnx, None).unwrap_err().to_string();
        assert!(refused.contains(operator), "{refused}");
    }
}

/// Steps of a half from -1 to 1.5, with the zero point at 2.
fn in_steps(graph: Graph, from: &str, to: &str) -> Graph {
    let q = format!("{to}_q");
    graph.node("QuantizeLinear", &[from, "half", "two"], &[&q], &[]).node(
        "DequantizeLinear",
        &[&q, "half", "two"],
        &[to],
        &[],
    )
}

fn pictures() -> Graph {
    Graph::new(17)
        .input("x", DataType::Float, &[1, 1, 1, 6])
        .floats("half", &[], &[0.5])
        .bytes("two", 21, &[], &[2])
        .floats("w", &[2, 1, 1, 1], &[1.0, -1.0])
}

#[test]
fn a_layer_between_quantizations_gives_whole_steps() {
    let x = || TensorData::Fp32(vec![-7.0, -0.76, 0.25, 0.26, 0.75, 9.0]);
    let shape = [1, 1, 1, 6];
    // 4 bits without a sign: 0 to 15 about the zero point 2.
    let both = [-1.0, -1.0, 0.0, 0.5, 1.0, 6.5, 6.5, 1.0, 0.0, -0.5, -1.0, -1.0];
    let layer = |graph: Graph| graph.node("Conv", &["x", "w"], &["c"], &[]);
    let onnx = in_steps(layer(pictures()), "c", "y").onnx(&["y"]);
    assert_eq!(run(&onnx, &shape, x()), Ok(TensorData::Fp32(both.to_vec())));

    // An activation before the steps bounds what they are of.
    let graph = layer(pictures()).node("Relu", &["c"], &["r"], &[]);
    let onnx = in_steps(graph, "r", "y").onnx(&["y"]);
    assert_eq!(run(&onnx, &shape, x()), Ok(TensorData::Fp32(both.map(|x: f32| x.max(0.0)).to_vec())));

    // What comes after them stays after them: a third is no whole step.
    let graph = in_steps(layer(pictures()), "c", "s").floats("third", &[], &[1.0 / 3.0]);
    let onnx = graph.node("Mul", &["s", "third"], &["y"], &[]).onnx(&["y"]);
    assert_eq!(run(&onnx, &shape, x()), Ok(TensorData::Fp32(both.map(|x| x * (1.0 / 3.0)).to_vec())));
}

#[test]
fn a_quantized_value_that_others_read_is_given_too() {
    let graph = pictures().node("Conv", &["x", "w"], &["c"], &[]);
    let graph = in_steps(graph, "c", "y").node("Cast", &["y_q"], &["whole"], &[int("to", 7)]);
    let model = Model::load(&graph.onnx(&["y", "whole"]), None).unwrap();
    let x = TensorData::Fp32(vec![-7.0, -0.76, 0.25, 0.26, 0.75, 9.0]);
    let input = Tensor { name: "x".into(), shape: vec![1, 1, 1, 6], data: x };
    let found = model.run(&[input]).unwrap();
    let TensorData::Fp32(steps) = &found[0].data else { panic!("{:?}", found[0]) };
    let TensorData::Int64(whole) = &found[1].data else { panic!("{:?}", found[1]) };
    assert_eq!(whole[..6], [0, 0, 2, 3, 4, 15]);
    for (step, whole) in steps.iter().zip(whole) {
        assert_eq!(*step, (*whole as f32 - 2.0) * 0.5);
    }
}

#[test]
fn scales_that_differ_stay_apart() {
    let graph = pictures()
        .floats("one", &[], &[1.0])
        .node("QuantizeLinear", &["x", "half", "two"], &["q"], &[])
        .node("DequantizeLinear", &["q", "one", "two"], &["y"], &[]);
    let x = TensorData::Fp32(vec![-7.0, -0.76, 0.25, 0.26, 0.75, 9.0]);
    let found = run(&graph.onnx(&["y"]), &[1, 1, 1, 6], x);
    assert_eq!(found, Ok(TensorData::Fp32(vec![-2.0, -2.0, 0.0, 1.0, 2.0, 13.0])));
}

#[test]
fn a_quantized_convolution_has_a_scale_for_each_filter_and_a_bias_of_their_products() {
    let onnx = Graph::new(17)
        .input("x", DataType::Uint8, &[1, 1, 1, 3])
        .floats("half", &[], &[0.5])
        .bytes("ten", DataType::Uint8 as i32, &[], &[10])
        .bytes("w", DataType::Int8 as i32, &[2, 1, 1, 1], &[2, 0xff])
        .floats("scales", &[2], &[1.0, 2.0])
        .bytes("zeros", DataType::Int8 as i32, &[2], &[0, 0])
        .bytes("bias", DataType::Int32 as i32, &[2], &[4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])
        .node(
            "QLinearConv",
            &["x", "half", "ten", "w", "scales", "zeros", "half", "ten", "bias"],
            &["y"],
            &[],
        )
        .onnx(&["y"]);
    // (x − 10)/2 · (2, −2) + (2, −1), in halves from 10 on
    let found = run(&onnx, &[1, 1, 1, 3], TensorData::Uint8(vec![10, 11, 200]));
    assert_eq!(found, Ok(TensorData::Uint8(vec![14, 16, 255, 8, 6, 0])));
}
