//! Operators of `ai.onnx.ml` give what ONNX Runtime 1.32 gave, for large numbers and odd attributes too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::Model;
use support::graph::{Graph, float, floats, int, ints, text, texts};
use tract_onnx::pb::AttributeProto;
use tract_onnx::pb::tensor_proto::DataType;

fn onnx(operator: &str, kind: DataType, columns: i64, attributes: &[AttributeProto]) -> Vec<u8> {
    Graph::new(17)
        .input("x", kind, &[-1, columns])
        .node(&format!("ai.onnx.ml.{operator}"), &["x"], &["y"], attributes)
        .onnx(&["y"])
}

fn run(onnx: &[u8], columns: usize, data: TensorData) -> TensorData {
    let input = Tensor { name: "x".into(), shape: vec![data.len() / columns, columns], data };
    Model::load(onnx, None).unwrap().run(&[input]).unwrap().remove(0).data
}

/// A tree of one threshold for one column: `weights` are those of below and of above.
fn stump(threshold: f32, targets: i64, ids: &[i64], weights: &[f32]) -> Vec<AttributeProto> {
    let each = ids.len() / 2;
    let leaves: Vec<i64> = (0..ids.len()).map(|index| if index < each { 1 } else { 2 }).collect();
    vec![
        ints("nodes_treeids", &[0; 3]),
        ints("nodes_nodeids", &[0, 1, 2]),
        ints("nodes_featureids", &[0; 3]),
        floats("nodes_values", &[threshold, 0.0, 0.0]),
        texts("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
        ints("nodes_truenodeids", &[1, 0, 0]),
        ints("nodes_falsenodeids", &[2, 0, 0]),
        ints("target_ids", ids),
        ints("target_nodeids", &leaves),
        ints("target_treeids", &vec![0; ids.len()]),
        floats("target_weights", weights),
        int("n_targets", targets),
    ]
}

#[test]
fn an_imputer_keeps_every_integer() {
    let fill = [ints("imputed_value_int64s", &[16_777_219, 3]), int("replaced_value_int64", -1)];
    let x = vec![16_777_217, -1, -1, 7, 123_456_789_012_345, 9];
    let found = run(&onnx("Imputer", DataType::Int64, 2, &fill), 2, TensorData::Int64(x));
    assert_eq!(found, TensorData::Int64(vec![16_777_217, 3, 16_777_219, 7, 123_456_789_012_345, 9]));
}

#[test]
fn an_imputer_gives_the_type_that_it_takes() {
    let fill = [floats("imputed_value_floats", &[0.5]), float("replaced_value_float", f32::NAN)];
    let found =
        run(&onnx("Imputer", DataType::Double, 2, &fill), 2, TensorData::Fp64(vec![1.7e9 + 40.0, f64::NAN]));
    assert_eq!(found, TensorData::Fp64(vec![1.7e9 + 40.0, 0.5]));
    let error = Model::load(&onnx("Imputer", DataType::Int64, 2, &fill), None).unwrap_err().to_string();
    assert!(error.contains("the imputed values are floats, the input is I64"), "{error}");
}

#[test]
fn a_scaler_rounds_a_double_after_the_offset() {
    let attributes = [floats("offset", &[1.7e9, 0.0]), floats("scale", &[1.0, 2.0])];
    let x = [1_700_000_001.0, 5.0, 1_700_000_131.0, 7.0];
    let found = run(&onnx("Scaler", DataType::Double, 2, &attributes), 2, TensorData::Fp64(x.to_vec()));
    assert_eq!(found, TensorData::Fp32(vec![1.0, 10.0, 131.0, 14.0]));
    // Integers are rounded before, there as here.
    let x = x.map(|x| x as i64).to_vec();
    let found = run(&onnx("Scaler", DataType::Int64, 2, &attributes), 2, TensorData::Int64(x));
    assert_eq!(found, TensorData::Fp32(vec![0.0, 10.0, 128.0, 14.0]));
}

#[test]
fn trees_compare_a_double_as_it_is() {
    let x = [1.7e9 - 20.0, 1.7e9, 1.7e9 + 40.0];
    let regressor = |kind| onnx("TreeEnsembleRegressor", kind, 1, &stump(1.7e9, 1, &[0, 0], &[1.0, 2.0]));
    let found = run(&regressor(DataType::Double), 1, TensorData::Fp64(x.to_vec()));
    assert_eq!(found, TensorData::Fp32(vec![1.0, 1.0, 2.0]));
    let single = x.map(|x| x as f32).to_vec();
    let found = run(&regressor(DataType::Float), 1, TensorData::Fp32(single));
    assert_eq!(found, TensorData::Fp32(vec![1.0, 1.0, 1.0]));

    let mut attributes = stump(1.7e9, 1, &[0, 2], &[1.0, 1.0]);
    attributes.iter_mut().for_each(|attribute| attribute.name = attribute.name.replace("target_", "class_"));
    attributes.push(ints("classlabels_int64s", &[0, 1, 2]));
    let onnx = Graph::new(17)
        .input("x", DataType::Double, &[-1, 1])
        .node("ai.onnx.ml.TreeEnsembleClassifier", &["x"], &["y", "p"], &attributes)
        .onnx(&["y", "p"]);
    assert_eq!(run(&onnx, 1, TensorData::Fp64(x.to_vec())), TensorData::Int64(vec![0, 0, 2]));
}

#[test]
fn trees_add_up_in_the_precision_of_the_input() {
    // Ten trees of one leaf each.
    let attributes = [
        ints("nodes_treeids", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ints("nodes_nodeids", &[0; 10]),
        ints("nodes_featureids", &[0; 10]),
        floats("nodes_values", &[0.0; 10]),
        texts("nodes_modes", &["LEAF"; 10]),
        ints("nodes_truenodeids", &[0; 10]),
        ints("nodes_falsenodeids", &[0; 10]),
        ints("target_ids", &[0; 10]),
        ints("target_nodeids", &[0; 10]),
        ints("target_treeids", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        floats("target_weights", &[0.1; 10]),
    ];
    let of = |kind| onnx("TreeEnsembleRegressor", kind, 1, &attributes);
    assert_eq!(run(&of(DataType::Double), 1, TensorData::Fp64(vec![0.0])), TensorData::Fp32(vec![1.0]));
    assert_eq!(
        run(&of(DataType::Float), 1, TensorData::Fp32(vec![0.0])),
        TensorData::Fp32(vec![1.000_000_1])
    );
}

#[test]
fn trees_in_double_precision_are_refused_by_name() {
    let mut attributes = stump(0.5, 1, &[0, 0], &[1.0, 2.0]);
    attributes[3].name = "nodes_values_as_tensor".into();
    let onnx = onnx("TreeEnsembleRegressor", DataType::Double, 1, &attributes);
    let error = Model::load(&onnx, None).unwrap_err().to_string();
    assert!(error.contains("nodes_values_as_tensor is not read: export it with version 1"), "{error}");
}

#[test]
fn large_categories_are_told_apart() {
    let large = 9_007_199_254_740_992;
    let onnx = onnx("OneHotEncoder", DataType::Int64, 1, &[ints("cats_int64s", &[large, large + 1])]);
    let found = run(&onnx, 1, TensorData::Int64(vec![large + 1, large]));
    assert_eq!(found, TensorData::Fp32(vec![0.0, 1.0, 1.0, 0.0]));
}
