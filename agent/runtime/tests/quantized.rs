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
