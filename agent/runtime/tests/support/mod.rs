//! Example models with the inputs and outputs that ONNX Runtime had.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

pub mod graph;

use dunlin_protocol::tensor::{Tensor, TensorData};
use serde_json::Value;

pub struct Example {
    pub name: String,
    pub onnx: Vec<u8>,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
}

impl Example {
    pub fn rows(&self) -> usize {
        self.inputs[0].shape[0]
    }
}

/// Largest difference from ONNX Runtime, relative above one.
const TOLERANCE: f64 = 1e-5;

fn folders() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models")];
    folders.extend(std::env::var_os("DUNLIN_MODELS").map(PathBuf::from));
    folders
}

pub fn examples() -> Vec<Example> {
    let mut paths: Vec<PathBuf> = folders()
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

pub fn example(name: &str) -> Example {
    read(&folders()[0].join(format!("{name}.onnx")))
}

pub fn read(path: &Path) -> Example {
    let text = std::fs::read_to_string(path.with_extension("json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    Example {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        onnx: std::fs::read(path).unwrap(),
        inputs: tensors(&json["inputs"]),
        outputs: tensors(&json["outputs"]),
    }
}

fn tensors(list: &Value) -> Vec<Tensor> {
    list.as_array().unwrap().iter().map(tensor).collect()
}

fn tensor(json: &Value) -> Tensor {
    let data = json["data"].as_array().unwrap();
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let data = match json["datatype"].as_str().unwrap() {
        "FP32" => TensorData::Fp32(data.iter().map(|v| number(v) as f32).collect()),
        "FP64" => TensorData::Fp64(data.iter().map(number).collect()),
        "INT64" => TensorData::Int64(data.iter().map(|v| v.as_i64().unwrap()).collect()),
        "BYTES" => TensorData::Bytes(data.iter().map(|v| v.as_str().unwrap().to_owned()).collect()),
        other => panic!("datatype {other}"),
    };
    let shape = json["shape"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
    Tensor { name: json["name"].as_str().unwrap().to_owned(), shape, data }
}

/// Row `index` of each tensor.
pub fn row(tensors: &[Tensor], index: usize) -> Vec<Tensor> {
    let one = |tensor: &Tensor| {
        let width = tensor.data.len() / tensor.shape[0];
        let range = index * width..(index + 1) * width;
        let data = match &tensor.data {
            TensorData::Fp32(v) => TensorData::Fp32(v[range].to_vec()),
            TensorData::Int64(v) => TensorData::Int64(v[range].to_vec()),
            TensorData::Bytes(v) => TensorData::Bytes(v[range].to_vec()),
            other => panic!("{:?}", other.datatype()),
        };
        let mut shape = tensor.shape.clone();
        shape[0] = 1;
        Tensor { name: tensor.name.clone(), shape, data }
    };
    tensors.iter().map(one).collect()
}

pub fn assert_equal(example: &Example, found: &[Tensor], expected: &[Tensor]) {
    for want in expected {
        let name = format!("{} / {}", example.name, want.name);
        let got =
            found.iter().find(|t| t.name == want.name).unwrap_or_else(|| panic!("{name}: no such output"));
        assert_eq!(got.shape, want.shape, "{name}");
        assert_eq!(got.data.datatype(), want.data.datatype(), "{name}");
        match (&got.data, &want.data) {
            (TensorData::Fp32(_), TensorData::Fp32(_)) => {
                for index in 0..want.data.len() {
                    let (a, b) = (got.data.number(index).unwrap(), want.data.number(index).unwrap());
                    let difference = (a - b).abs() / b.abs().max(1.0);
                    assert!(difference <= TOLERANCE, "{name}[{index}]: {a} instead of {b}");
                }
            }
            (got, want) => assert_eq!(got, want, "{name}"),
        }
    }
}
