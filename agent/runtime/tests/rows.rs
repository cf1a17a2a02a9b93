//! What a table says reaches the model as it stands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::spec::{FeatureSpec, InputSpec, ModelSpec, Task};
use dunlin_protocol::tensor::{Datatype, TensorData};
use dunlin_runtime::Model;
use dunlin_runtime::rows::{Row, read_csv, read_json_lines, run_rows, tensor_inputs};
use support::graph::{Graph, int};
use tract_onnx::pb::tensor_proto::DataType::Float;

fn spec(datatype: Datatype, categories: &[&str]) -> ModelSpec {
    let categories = categories.iter().map(|c| (*c).to_owned()).collect();
    let feature = FeatureSpec { categories, ..FeatureSpec::named("x") };
    let input = InputSpec { name: "x".into(), datatype, shape: vec![None, Some(1)], features: vec![feature] };
    ModelSpec {
        task: Task::Other,
        inputs: vec![input],
        outputs: vec![],
        labels: vec![],
        thresholds: Default::default(),
        target: None,
    }
}

fn fitted(spec: &ModelSpec, rows: &[Row]) -> TensorData {
    tensor_inputs(spec, rows).unwrap().remove(0).data
}

#[test]
fn space_that_belongs_to_a_category_stays() {
    let rows = read_csv(" x , y\n Private,1\nOther ,2\n  ,3\n".as_bytes(), 10).unwrap();
    let texts = |categories: &[&str]| fitted(&spec(Datatype::Bytes, categories), &rows);
    let bytes = |texts: &[&str]| TensorData::Bytes(texts.iter().map(|t| (*t).to_owned()).collect());
    assert_eq!(texts(&[]), bytes(&[" Private", "Other ", ""]));
    assert_eq!(texts(&["Private", "Other "]), bytes(&["Private", "Other ", ""]));
}

#[test]
fn space_around_numbers_and_names_says_nothing() {
    let rows = read_csv(" x ,y\n 1.5 ,1\n NA,2\n".as_bytes(), 10).unwrap();
    let TensorData::Fp32(numbers) = fitted(&spec(Datatype::Fp32, &[]), &rows) else { panic!() };
    assert!(numbers[0] == 1.5 && numbers[1].is_nan());
    let whole = [Row::from_pairs(1, [("x", " 3.0 ")])];
    assert_eq!(fitted(&spec(Datatype::Int64, &[]), &whole), TensorData::Int64(vec![3]));
}

#[test]
fn a_truth_value_of_json_is_the_category_that_a_table_wrote() {
    let rows = read_json_lines("{\"x\":true}\n{\"x\":false}\n".as_bytes(), 10).unwrap();
    let found = fitted(&spec(Datatype::Bytes, &["False", "True"]), &rows);
    assert_eq!(found, TensorData::Bytes(vec!["True".into(), "False".into()]));
}

#[test]
fn blank_lines_of_a_single_column_are_missing_values() {
    for table in
        ["x\n1\n\n\n2\n\n", "\u{feff}x\r\n1\r\n\r\n\r\n2\r\n", "x\n1\n\n\n2", "\n\"x\"\n\"1\"\n\n\n\"2\"\n"]
    {
        let rows = read_csv(table.as_bytes(), 10).unwrap();
        let TensorData::Fp32(numbers) = fitted(&spec(Datatype::Fp32, &[]), &rows) else { panic!() };
        assert_eq!(format!("{numbers:?}"), "[1.0, NaN, NaN, 2.0]", "{table:?}");
    }
    let texts = read_csv("x\n\"a\n\nb\"\nc\n".as_bytes(), 10).unwrap();
    assert_eq!((texts.len(), texts[0].get("x"), texts[1].line), (2, Some("a\n\nb"), 5));
    assert_eq!(read_csv("x,y\n1,2\n\n3,4\n".as_bytes(), 10).unwrap().len(), 2);
}

#[test]
fn a_number_too_large_for_single_precision_is_named() {
    let row = [Row::from_pairs(7, [("x", "1e39")])];
    let error = tensor_inputs(&spec(Datatype::Fp32, &[]), &row).unwrap_err().to_string();
    assert!(error.contains("line 7") && error.contains("`x`") && error.contains("1e39"), "{error}");
    assert_eq!(fitted(&spec(Datatype::Fp64, &[]), &row), TensorData::Fp64(vec![1e39]));
}

#[test]
fn a_model_made_for_one_row_answers_many() {
    let onnx = Graph::new(13)
        .input("X", Float, &[1, 1])
        .node("Concat", &["X", "X"], &["twice"], &[int("axis", 1)])
        .onnx(&["twice"]);
    let model = Model::load(&onnx, None).unwrap();
    let rows = read_csv("X\n1\n2\n3\n".as_bytes(), 10).unwrap();
    let outputs = run_rows(&model, &rows).unwrap();
    assert_eq!(outputs[0].shape, [3, 2]);
    assert_eq!(outputs[0].data, TensorData::Fp32(vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0]));
    assert_eq!(run_rows(&model, &rows[..1]).unwrap()[0].shape, [1, 2]);
    assert!(run_rows(&model, &[]).is_err());
}
