//! What another runtime gave for some inputs, as people hand it over: a request of the Open Inference Protocol with its
//! answer, or a table of features and outputs.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context as _, bail, ensure};
use dunlin_protocol::{
    bundle::golden::Golden,
    spec::{FeatureSpec, InputSpec, ModelSpec, OutputSpec},
    tensor::Tensor,
};
use dunlin_runtime::{
    Model, golden,
    rows::{Row, read_csv, tensor_inputs},
};
use serde::Deserialize;

use crate::serving::wire::{WireTensor, parse};

/// Most bytes of such a file.
const MAX_BYTES: u64 = 64 << 20;
/// Most rows of a table.
const MAX_ROWS: usize = 10_000;
/// What numbers may differ by where the file does not say it, relative above one: what deep networks differ by between
/// runtimes.
const TOLERANCE: f64 = 1e-4;

/// A request and its answer.
#[derive(Deserialize)]
struct Answered {
    inputs: Vec<WireTensor>,
    outputs: Vec<WireTensor>,
    /// Who answered, for example `onnxruntime 1.22`.
    #[serde(default)]
    runtime: Option<String>,
    #[serde(default)]
    tolerance: Option<f64>,
}

/// Reads golden vectors for a model of this specification.
pub fn read(path: &Path, spec: &ModelSpec) -> anyhow::Result<Golden> {
    let shown = path.display();
    let length = std::fs::metadata(path)
        .with_context(|| format!("{shown} cannot be read; give the path of a table or a request"))?
        .len();
    ensure!(length <= MAX_BYTES, "{shown} has {length} bytes; {MAX_BYTES} are read: a few rows are enough");
    let bytes = std::fs::read(path).with_context(|| format!("{shown} cannot be read"))?;
    let is_json = bytes.trim_ascii_start().first() == Some(&b'{');
    let read = if is_json { answered(&bytes) } else { table(&bytes, spec) };
    read.with_context(|| format!("{shown} is not usable as golden vectors"))
}

/// How the model's numbers stand to these, in words; an error names the first that differs.
pub fn compare(model: &Model, vectors: &Golden) -> anyhow::Result<String> {
    let found = golden::check(model, vectors);
    let (rows, origin, worst) = (found.rows, &vectors.origin, found.worst_difference);
    if found.ok {
        return Ok(format!("{rows} rows agree with {origin} within {worst:.1e}"));
    }
    let first = found.failures.first();
    let shown = first.map(|f| format!("{} row {}: {} instead of {}", f.output, f.row, f.found, f.expected));
    bail!("numbers differ from {origin}: {}", shown.unwrap_or_else(|| "there are no rows to compare".into()))
}

fn answered(json: &[u8]) -> anyhow::Result<Golden> {
    let Answered { inputs, outputs, runtime, tolerance } = parse(json)
        .context("not a request with its answer: it needs `inputs` and `outputs`, both lists of tensors")?;
    ensure!(!outputs.is_empty(), "it has no `outputs` to compare with");
    let tolerance = tolerance.unwrap_or(TOLERANCE);
    ensure!((0.0..1.0).contains(&tolerance), "its `tolerance` is {tolerance}; give a number from 0 to 1");
    let tensors = |list: Vec<WireTensor>| -> anyhow::Result<Vec<Tensor>> {
        list.into_iter().map(|tensor| tensor.into_tensor().map_err(anyhow::Error::msg)).collect()
    };
    Ok(Golden { origin: origin(runtime), inputs: tensors(inputs)?, outputs: tensors(outputs)?, tolerance })
}

/// The origin is shown on screens: it is short and of one line.
fn origin(runtime: Option<String>) -> String {
    const MOST: usize = 64;
    let clean: String = runtime.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MOST).collect();
    if clean.trim().is_empty() { "another runtime".into() } else { clean }
}

fn table(csv: &[u8], spec: &ModelSpec) -> anyhow::Result<Golden> {
    let rows = read_csv(csv, MAX_ROWS)?;
    let columns: BTreeSet<&str> =
        rows.first().into_iter().flat_map(Row::columns).map(String::as_str).collect();
    let expected: Vec<InputSpec> =
        spec.outputs.iter().filter_map(|output| columns_of(output, &columns)).collect();
    let names: Vec<String> =
        spec.outputs.iter().map(|output| format!("`{0}` or `{0}[0]`, `{0}[1]`, …", output.name)).collect();
    ensure!(
        !expected.is_empty(),
        "no column holds an output of the model; name them like the outputs: {}",
        names.join("; ")
    );
    let mut outputs = tensor_inputs(&ModelSpec { inputs: expected, ..spec.clone() }, &rows)?;
    for output in &mut outputs {
        let is_column = spec.outputs.iter().any(|known| known.name == output.name && known.shape.len() == 2);
        if is_column && output.shape.len() == 1 {
            output.shape.push(1);
        }
    }
    Ok(Golden { origin: origin(None), inputs: tensor_inputs(spec, &rows)?, outputs, tolerance: TOLERANCE })
}

/// An output as the columns that hold it: one of its name, or numbered ones.
fn columns_of(output: &OutputSpec, columns: &BTreeSet<&str>) -> Option<InputSpec> {
    let numbered = |index: usize| format!("{}[{index}]", output.name);
    let (names, shape): (Vec<String>, _) = if columns.contains(output.name.as_str()) {
        (vec![output.name.clone()], vec![None])
    } else {
        let there = |name: &String| columns.contains(name.as_str());
        let names: Vec<String> = (0..columns.len()).map(numbered).take_while(there).collect();
        let width = names.len();
        (names, vec![None, Some(width)])
    };
    (!names.is_empty()).then(|| InputSpec {
        name: output.name.clone(),
        datatype: output.datatype,
        shape,
        features: names.into_iter().map(FeatureSpec::named).collect(),
    })
}

#[cfg(test)]
mod tests {
    use dunlin_protocol::{
        spec::{OutputRole, Task},
        tensor::{Datatype, TensorData},
    };

    use super::*;

    /// Two numbers to a class and two probabilities.
    fn spec() -> ModelSpec {
        let output = |name: &str, datatype, shape: &[Option<usize>], role| OutputSpec {
            name: name.into(),
            datatype,
            shape: shape.to_vec(),
            role,
        };
        ModelSpec {
            task: Task::Classification,
            inputs: vec![InputSpec {
                name: "x".into(),
                datatype: Datatype::Fp32,
                shape: vec![None, Some(2)],
                features: vec![FeatureSpec::named("warm"), FeatureSpec::named("wet")],
            }],
            outputs: vec![
                output("label", Datatype::Int64, &[None], OutputRole::Label),
                output("p", Datatype::Fp32, &[None, Some(2)], OutputRole::Probabilities),
            ],
            labels: vec!["0".into(), "1".into()],
            target: None,
            thresholds: Default::default(),
        }
    }

    #[test]
    fn a_table_holds_features_and_outputs_by_name() {
        let golden = table(b"p[1],warm,wet,label,p[0]\n0.75,1,,1,0.25\n0.5,3,4,0,0.5\n", &spec()).unwrap();
        assert_eq!(golden.inputs[0].shape, [2, 2]);
        assert_eq!(golden.outputs[0].data, TensorData::Int64(vec![1, 0]));
        assert_eq!(golden.outputs[1].data, TensorData::Fp32(vec![0.25, 0.75, 0.5, 0.5]));
        let without = table(b"warm,wet\n1,2\n", &spec()).unwrap_err().to_string();
        assert!(without.contains("`label`") && without.contains("`p[0]`"), "{without}");
        let short = table(b"warm,label\n1,2\n", &spec()).unwrap_err().to_string();
        assert!(short.contains("`wet` is missing"), "{short}");
    }

    #[test]
    fn a_request_with_its_answer_says_who_answered() {
        let json = br#"{"runtime": "other\n 1.2", "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32",
            "data": [1, NaN]}], "outputs": [{"name": "label", "shape": [1], "datatype": "INT64", "data": [1]}]}"#;
        let golden = answered(json).unwrap();
        assert_eq!((golden.origin.as_str(), golden.tolerance), ("other 1.2", TOLERANCE));
        for (broken, word) in [
            (r#"{"inputs": []}"#, "outputs"),
            (r#"{"inputs": [], "outputs": []}"#, "no `outputs`"),
            (
                r#"{"inputs": [], "outputs": [{"name": "y", "shape": [2], "datatype": "FP32", "data": [1]}]}"#,
                "says otherwise",
            ),
            (
                r#"{"tolerance": -1, "inputs": [], "outputs": [{"name": "y", "shape": [1], "datatype": "FP32", "data": [1]}]}"#,
                "tolerance",
            ),
        ] {
            let said = format!("{:#}", answered(broken.as_bytes()).unwrap_err());
            assert!(said.contains(word), "{said}");
        }
    }
}
