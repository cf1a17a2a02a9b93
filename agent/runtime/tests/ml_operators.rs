//! Operators of `ai.onnx.ml` give what ONNX Runtime 1.32 gave, for large numbers and odd attributes too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::Model;
use support::graph::{Graph, doubles, float, floats, int, ints, text, texts};
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
fn trees_in_double_precision_compare_and_add_up_in_it() {
    let mut attributes = stump(0.0, 1, &[0, 0], &[]);
    attributes.retain(|attribute| !["nodes_values", "target_weights"].contains(&attribute.name.as_str()));
    attributes.push(doubles("nodes_values_as_tensor", &[1.7e9, 0.0, 0.0]));
    attributes.push(doubles("target_weights_as_tensor", &[1.0, 2.0]));
    let onnx = onnx("TreeEnsembleRegressor", DataType::Double, 1, &attributes);
    let found = run(&onnx, 1, TensorData::Fp64(vec![1.7e9, 1.7e9 + 1.0]));
    assert_eq!(found, TensorData::Fp32(vec![1.0, 2.0]));
}

#[test]
fn a_regressor_of_one_target_takes_the_probit_only() {
    let near = |found: TensorData, expected: &[f32], what: &str| {
        let TensorData::Fp32(found) = found else { panic!("{what}") };
        let equal = found.len() == expected.len()
            && found.iter().zip(expected).all(|(a, b)| a == b || (a - b).abs() < 1e-5);
        assert!(equal, "{what}: {found:?} instead of {expected:?}");
    };
    let x = || TensorData::Fp32(vec![0.5, 0.9]);
    for transform in ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"] {
        let probit = transform == "PROBIT";
        let linear = [floats("coefficients", &[1.0]), text("post_transform", transform)];
        let expected = if probit { [0.0, 1.281_712_9] } else { [0.5, 0.9] };
        near(run(&onnx("LinearRegressor", DataType::Float, 1, &linear), 1, x()), &expected, transform);
        let mut tree = stump(0.5, 1, &[0, 0], &[0.3, 0.8]);
        tree.push(text("post_transform", transform));
        let expected = if probit { [-0.524_445_9, 0.841_756_1] } else { [0.3, 0.8] };
        near(run(&onnx("TreeEnsembleRegressor", DataType::Float, 1, &tree), 1, x()), &expected, transform);
    }
    let expected = [
        ("LOGISTIC", [0.622_459_3, 0.562_176_5, 0.710_949_5, 0.610_639_2]),
        ("SOFTMAX", [0.562_176_5, 0.437_823_5, 0.610_639_3, 0.389_360_8]),
        ("PROBIT", [0.0, -0.674_574_3, 1.281_712_9, -0.125_662]),
    ];
    for (transform, expected) in expected {
        let linear =
            [floats("coefficients", &[1.0, 0.5]), int("targets", 2), text("post_transform", transform)];
        near(run(&onnx("LinearRegressor", DataType::Float, 1, &linear), 1, x()), &expected, transform);
    }
}

#[test]
fn a_soft_max_of_scores_with_nan_is_nan() {
    for transform in ["SOFTMAX", "SOFTMAX_ZERO", "LOGISTIC"] {
        let attributes = [
            floats("coefficients", &[0.5, 0.0, 0.2, 0.1, 0.0, 0.4]),
            int("targets", 3),
            text("post_transform", transform),
        ];
        let onnx = onnx("LinearRegressor", DataType::Float, 2, &attributes);
        let TensorData::Fp32(found) = run(&onnx, 2, TensorData::Fp32(vec![f32::NAN, 1.0])) else {
            panic!("not floats")
        };
        assert!(found.iter().all(|x| x.is_nan()), "{transform}: {found:?}");
    }
}

#[test]
fn a_binarizer_of_nan_gives_nan() {
    let attributes = [float("threshold", 0.5)];
    let found = run(
        &onnx("Binarizer", DataType::Float, 3, &attributes),
        3,
        TensorData::Fp32(vec![0.5, 0.6, f32::NAN]),
    );
    let TensorData::Fp32(found) = found else { panic!("not floats") };
    assert_eq!(found[..2], [0.0, 1.0]);
    assert!(found[2].is_nan());
}

#[test]
fn of_equal_categories_the_last_counts() {
    let numbers = onnx("OneHotEncoder", DataType::Int64, 1, &[ints("cats_int64s", &[1, 1, 2])]);
    let found = run(&numbers, 1, TensorData::Int64(vec![1, 2]));
    assert_eq!(found, TensorData::Fp32(vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0]));
    let categories = [texts("cats_strings", &["a", "b", "a"])];
    let found = run(
        &onnx("OneHotEncoder", DataType::String, 1, &categories),
        1,
        TensorData::Bytes(vec!["a".into(), "b".into()]),
    );
    assert_eq!(found, TensorData::Fp32(vec![0.0, 0.0, 1.0, 0.0, 1.0, 0.0]));
}

#[test]
fn large_categories_are_told_apart() {
    let large = 9_007_199_254_740_992;
    let onnx = onnx("OneHotEncoder", DataType::Int64, 1, &[ints("cats_int64s", &[large, large + 1])]);
    let found = run(&onnx, 1, TensorData::Int64(vec![large + 1, large]));
    assert_eq!(found, TensorData::Fp32(vec![0.0, 1.0, 1.0, 0.0]));
}

#[test]
fn nan_finds_its_key_from_version_4_of_the_label_encoder() {
    let attributes =
        [floats("keys_floats", &[1.5, f32::NAN, 1.5, -0.0]), ints("values_int64s", &[7, 8, 9, 1])];
    for (version, of_nan) in [(3, -1), (4, 8)] {
        let onnx = Graph::new(17)
            .ml_opset(version)
            .input("x", DataType::Float, &[-1, 4])
            .node("ai.onnx.ml.LabelEncoder", &["x"], &["y"], &attributes)
            .onnx(&["y"]);
        let found = run(&onnx, 4, TensorData::Fp32(vec![1.5, f32::NAN, 9.0, 0.0]));
        assert_eq!(found, TensorData::Int64(vec![7, of_nan, -1, 1]), "version {version}");
    }
}

#[test]
fn sizes_that_a_file_merely_claims_are_refused() {
    let huge = 1_i64 << 62;
    let cases = [
        ("FeatureVectorizer", 2, vec![ints("inputdimensions", &[huge, huge, huge, huge, 1])]),
        ("FeatureVectorizer", 2, vec![ints("inputdimensions", &[huge, 2])]),
        ("FeatureVectorizer", 2, vec![ints("inputdimensions", &[-1])]),
        ("LinearRegressor", 2, vec![floats("coefficients", &[1.0]), int("targets", huge)]),
        ("LinearRegressor", 2, vec![floats("coefficients", &[1.0]), int("targets", 0)]),
        ("LinearRegressor", 2, vec![floats("coefficients", &[1.0]), int("targets", -3)]),
        ("TreeEnsembleRegressor", 2, stump(0.5, huge, &[0, 0], &[1.0, 2.0])),
        ("ReduceLogSumExp", 2, vec![ints("axes", &[i64::MIN])]),
        ("LogSoftmax", 2, vec![int("axis", i64::MIN)]),
    ];
    for (operator, columns, attributes) in cases {
        let error = Model::load(&onnx(operator, DataType::Float, columns, &attributes), None).unwrap_err();
        assert!(!error.to_string().contains("gave up"), "{operator} {attributes:?}: {error}");
    }
    // Declared lengths multiply to more than there are numbers.
    let onnx = Graph::new(17)
        .input("x", DataType::Float, &[-1, 1 << 40, 1 << 40])
        .node("ai.onnx.ml.LinearRegressor", &["x"], &["y"], &[floats("coefficients", &[1.0])])
        .onnx(&["y"]);
    if let Err(error) = Model::load(&onnx, None) {
        assert!(!error.to_string().contains("gave up"), "{error}");
    }
}

#[test]
fn trees_of_version_5_have_leaves_of_their_own() {
    // x in {1, 3}, or missing: 10; else x ≤ 2: 20, else 30. The second tree is one leaf for all.
    let nan = f64::NAN;
    let attributes = [
        ints("tree_roots", &[0, 2]),
        ints("nodes_featureids", &[0, 0, 0]),
        doubles("nodes_splits", &[0.0, 2.0, 0.0]),
        doubles("nodes_modes", &[6.0, 0.0, 0.0]),
        doubles("membership_values", &[1.0, 3.0, nan]),
        ints("nodes_truenodeids", &[0, 1, 3]),
        ints("nodes_trueleafs", &[1, 1, 1]),
        ints("nodes_falsenodeids", &[1, 2, 3]),
        ints("nodes_falseleafs", &[0, 1, 1]),
        ints("nodes_missing_value_tracks_true", &[1, 0, 0]),
        ints("leaf_targetids", &[0, 0, 0, 0]),
        doubles("leaf_weights", &[10.0, 20.0, 30.0, 0.5]),
        int("n_targets", 1),
    ];
    let found = run(
        &onnx("TreeEnsemble", DataType::Double, 1, &attributes),
        1,
        TensorData::Fp64(vec![1.0, 2.0, 3.0, 4.0, nan]),
    );
    assert_eq!(found, TensorData::Fp64(vec![10.5, 20.5, 10.5, 30.5, 10.5]));
}
