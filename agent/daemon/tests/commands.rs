//! The verbs that take a model and rows, as a person types them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

fn agent(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dunlin-agent")).args(arguments).output().unwrap()
}

/// A logistic regression on 30 columns, with a label and probabilities.
fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/models/bc_logreg.onnx")
}

fn infer(input: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("asked.json");
    fs::write(&file, input).unwrap();
    agent(&["infer", "--model", model().to_str().unwrap(), "--input", file.to_str().unwrap(), "--json"])
}

fn request() -> Value {
    json!({ "inputs": [{ "name": "X", "shape": [1, 30], "datatype": "FP32", "data": vec![1.0; 30] }] })
}

#[test]
fn only_the_outputs_that_were_asked_for_are_given() {
    let all: Value = serde_json::from_slice(&infer(&request().to_string()).stdout).unwrap();
    let name = all["outputs"][1]["name"].as_str().unwrap();
    let mut one = request();
    one["outputs"] = json!([{ "name": name }]);
    let found: Value = serde_json::from_slice(&infer(&one.to_string()).stdout).unwrap();
    assert_eq!(
        (all["outputs"].as_array().unwrap().len(), &found["outputs"]),
        (2, &json!([all["outputs"][1]]))
    );
    one["outputs"] = json!([{ "name": "nothing" }]);
    let refused = infer(&one.to_string());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("`nothing`") && said.contains(name), "{said}");
}

#[test]
fn a_faulty_request_is_told_as_one() {
    let mut without_shape = request();
    without_shape["inputs"][0].as_object_mut().unwrap().remove("shape");
    let pretty = serde_json::to_string_pretty(&request()).unwrap();
    for (faulty, word) in [
        (without_shape.to_string(), "shape"),
        (pretty.replace("\"FP32\"", "\"FP31\""), "FP31"),
        (pretty.replace("\"FP32\",", "\"FP32\""), "line"),
    ] {
        let refused = infer(&faulty);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success(), "{said}");
        assert!(said.contains("Open Inference Protocol request") && said.contains(word), "{said}");
    }
}

#[test]
fn rows_of_json_lines_may_end_in_json_too() {
    let columns: serde_json::Map<String, Value> = (0..30).map(|k| (format!("X[{k}]"), json!(1.0))).collect();
    let row = Value::Object(columns).to_string();
    let answered = infer(&format!("{row}\n{row}\n"));
    let said = String::from_utf8_lossy(&answered.stderr);
    assert!(answered.status.success(), "{said}");
    let found: Value = serde_json::from_slice(&answered.stdout).unwrap();
    assert_eq!(found["outputs"][0]["shape"], json!([2]));
}
