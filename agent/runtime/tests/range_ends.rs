//! Functions of exponentials give what ONNX Runtime gives where a naive formula overflows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::f64::consts::LN_2;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::Model;
use support::graph::{Graph, int, ints};
use tract_onnx::pb::tensor_proto::DataType;

const INFINITE: f32 = f32::INFINITY;

fn run(onnx: &[u8], shape: &[usize], data: TensorData) -> (Vec<usize>, Vec<f64>) {
    let input = Tensor { name: "x".into(), shape: shape.to_vec(), data };
    let output = Model::load(onnx, None).unwrap().run(&[input]).unwrap().remove(0);
    let values = (0..output.data.len()).map(|index| output.data.number(index).unwrap()).collect();
    (output.shape, values)
}

fn assert_near(found: &[f64], expected: &[f64], what: &str) {
    let near = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-6 * b.abs();
    let equal = found.len() == expected.len() && found.iter().zip(expected).all(near);
    assert!(equal, "{what}: {found:?} instead of {expected:?}");
}

#[test]
fn a_sum_of_exponentials_neither_overflows_nor_vanishes() {
    let x =
        vec![-200.0, -201.0, 100.0, 3.0, -INFINITE, -INFINITE, INFINITE, 1.0, -95.5, -229.0, f32::NAN, 0.25];
    let input = |opset| Graph::new(opset).input("x", DataType::Float, &[-1, 2, 2]);
    let operator = "ReduceLogSumExp";
    let over_last = [-199.686_737, 100.0, f64::NEG_INFINITY, f64::INFINITY, -95.5, f64::NAN];
    for opset in [9, 11, 13] {
        for (axis, keep, shape) in [(2, 0, vec![3, 2]), (-1, 0, vec![3, 2]), (2, 1, vec![3, 2, 1])] {
            let onnx = input(opset)
                .node(operator, &["x"], &["y"], &[ints("axes", &[axis]), int("keepdims", keep)])
                .onnx(&["y"]);
            let (found_shape, found) = run(&onnx, &[3, 2, 2], TensorData::Fp32(x.clone()));
            assert_eq!(found_shape, shape);
            assert_near(&found, &over_last, &format!("opset {opset}, axis {axis}"));
        }
    }
    let given = |axes: &[i64], attributes: &[_]| {
        let onnx = input(18)
            .ints("axes", &[axes.len() as i64], axes)
            .node(operator, &["x", "axes"], &["y"], attributes)
            .onnx(&["y"]);
        run(&onnx, &[3, 2, 2], TensorData::Fp32(x.clone()))
    };
    let (shape, found) = given(&[2], &[]);
    assert_eq!(shape, [3, 2, 1]);
    assert_near(&found, &over_last, "opset 18");
    let (shape, found) = given(&[2, 0], &[int("keepdims", 0)]);
    assert_eq!(shape, [2]);
    assert_near(&found, &[-95.5, f64::NAN], "two axes");
    let (shape, found) = given(&[], &[int("noop_with_empty_axes", 1)]);
    assert_eq!(shape, [3, 2, 2]);
    assert_near(&found, &x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(), "no axes");
    let onnx = input(18).node(operator, &["x"], &["y"], &[]).onnx(&["y"]);
    let (shape, found) = run(&onnx, &[1, 2, 2], TensorData::Fp32(vec![700.0, 700.0, 1.0, -5.0]));
    assert_eq!(shape, [1, 1, 1]);
    assert_near(&found, &[700.0 + LN_2], "all axes");
}

#[test]
fn a_sum_of_exponentials_in_double_precision_stays_there() {
    let onnx = Graph::new(13)
        .input("x", DataType::Double, &[-1, 2])
        .node("ReduceLogSumExp", &["x"], &["y"], &[ints("axes", &[1])])
        .onnx(&["y"]);
    let (_, found) = run(&onnx, &[1, 2], TensorData::Fp64(vec![1e6 + 0.001, 1e6 + 0.001]));
    assert!((found[0] - (1e6 + 0.001 + LN_2)).abs() < 1e-9, "{found:?}");
}

#[test]
fn softplus_of_a_large_number_is_that_number() {
    let x = [-1000.0, -20.0, 0.0, 1.0, 20.0, 90.0, 1000.0, INFINITE, -INFINITE];
    let onnx = Graph::new(17)
        .input("x", DataType::Float, &[-1, 9])
        .node("Softplus", &["x"], &["y"], &[])
        .onnx(&["y"]);
    let (_, found) = run(&onnx, &[1, 9], TensorData::Fp32(x.to_vec()));
    let expected = [0.0, 2.061_153_6e-9, LN_2, 1.313_261_7, 20.0, 90.0, 1000.0, f64::INFINITY, 0.0];
    assert_near(&found, &expected, "Softplus");
}

#[test]
fn the_logarithm_of_a_soft_max_of_nearly_zero_is_finite() {
    let x = [1000.0, 999.0, -1000.0, 0.0, -INFINITE, 2.0];
    for opset in [11, 13] {
        let onnx = Graph::new(opset)
            .input("x", DataType::Float, &[-1, 3])
            .node("LogSoftmax", &["x"], &["y"], &[int("axis", 1)])
            .onnx(&["y"]);
        let (_, found) = run(&onnx, &[2, 3], TensorData::Fp32(x.to_vec()));
        let expected =
            [-0.313_261_66, -1.313_261_6, -2_000.313_2, -2.126_928_1, f64::NEG_INFINITY, -0.126_928_05];
        assert_near(&found, &expected, &format!("opset {opset}"));
    }
    // Before opset 13 an axis meant itself and all after it.
    for (opset, expected) in [(11, [-300.0, -301.0, 0.0, -97.0]), (13, [-300.0, -304.0, 0.0, 0.0])] {
        let onnx = Graph::new(opset)
            .input("x", DataType::Float, &[-1, 2, 2])
            .node("LogSoftmax", &["x"], &["y"], &[int("axis", 1)])
            .onnx(&["y"]);
        let x = vec![-200.0, if opset == 11 { -201.0 } else { -301.0 }, 100.0, 3.0];
        let (_, found) = run(&onnx, &[1, 2, 2], TensorData::Fp32(x));
        assert_near(&found, &expected, &format!("axis 1 of three, opset {opset}"));
    }
}
