//! Everything about a trained model as one bundle.

use dunlin_protocol::bundle::{Bundle, Manifest};
use serde_json::json;

use crate::{
    TrainError, card, golden, onnx,
    pipeline::{Answers, Pipeline},
    reference,
    report::Report,
    spec,
    split::Parts,
    table::Table,
};

/// Name and version of this crate, for producer and origin.
pub(crate) const PRODUCER: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// The bundle. It has no date: the same training gives the same bytes.
pub(crate) fn pack(
    table: &Table,
    pipeline: &Pipeline,
    parts: &Parts,
    answers: &Answers,
    report: &Report,
) -> Result<Bundle, TrainError> {
    let request = &report.request;
    let spec = spec::describe(table, pipeline, request);
    let card = card::write(report, &spec);
    let mut manifest = Manifest::new(request.model.clone(), spec);
    manifest.producer = PRODUCER.to_owned();
    manifest.facts = facts(report)?;
    Ok(Bundle {
        model: onnx::encode(pipeline, &table.features, &table.target),
        reference: Some(reference::collect(table, pipeline, &parts.train, request.split.kind, answers)),
        golden: Some(golden::collect(table, pipeline, &parts.test, PRODUCER.to_owned())),
        card,
        sbom: sbom(report)?,
        manifest,
    })
}

/// The report's fields, each a fact of its own.
fn facts(report: &Report) -> Result<std::collections::BTreeMap<String, serde_json::Value>, TrainError> {
    let value = serde_json::to_value(report).map_err(|error| TrainError::Write(error.to_string()))?;
    match value {
        serde_json::Value::Object(fields) => Ok(fields.into_iter().collect()),
        _ => Err(TrainError::Write("the report is not an object".into())),
    }
}

/// What the model is made with (CycloneDX 1.6).
fn sbom(report: &Report) -> Result<String, TrainError> {
    let model = &report.request.model;
    let library =
        |name: &str| json!({ "type": "library", "name": name, "purl": format!("pkg:cargo/{name}") });
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "machine-learning-model",
                "name": model.name.as_str(),
                "version": model.version.to_string(),
            },
            "tools": { "components": [{
                "type": "application",
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
            }]},
        },
        "components": [library("linfa"), library("linfa-linear"), library("linfa-logistic")],
    });
    serde_json::to_string_pretty(&document).map_err(|error| TrainError::Write(error.to_string()))
}
