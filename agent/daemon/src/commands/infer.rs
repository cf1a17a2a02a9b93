//! `dunlin-agent infer`: a model on a file of rows, or on one Open Inference Protocol request.

use std::{
    fs::File,
    io::{BufReader, Cursor},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use axum::http::HeaderMap;
use dunlin_protocol::{ModelRef, tensor::Tensor};
use dunlin_runtime::{
    Model, answer,
    rows::{Row, read_csv, read_json_lines, run_rows},
};
use serde_json::Value;

use super::{
    exit,
    load::{Given, load},
    print_json,
};
use crate::{
    Config,
    serving::{
        binary,
        slot::Folder,
        wire::{InferRequest, InferResponse, tensor_json},
    },
};

/// Most rows that are read from a file.
const MAX_ROWS: usize = 1_000_000;

/// What was typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An ONNX file, a bundle, or the name of a model that this agent serves.
    #[arg(long)]
    model: String,
    /// CSV, JSON lines, or an Open Inference Protocol request (.json).
    #[arg(long)]
    input: PathBuf,
    /// Print the protocol's response.
    #[arg(long)]
    json: bool,
}

/// Runs the model once.
pub fn run(args: &Args, config: &Config) -> anyhow::Result<ExitCode> {
    let (given, name) = find(args, config)?;
    let spec = given.bundle().map(|bundle| &bundle.manifest.spec);
    let model = Model::load(given.onnx(), spec).with_context(|| format!("{} cannot be used", args.model))?;
    let shown = args.input.display();
    let (id, rows, outputs) = match asked(args)? {
        Asked::Request(request, inputs) => {
            let rows = inputs.first().and_then(|tensor| tensor.shape.first().copied()).unwrap_or(1);
            let chosen = request
                .choose(model.run(&inputs)?)
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("{shown} does not fit the model"))?;
            let outputs = chosen.into_iter().map(|(output, _)| output).collect();
            (request.id.unwrap_or_else(|| "1".into()), rows, outputs)
        }
        Asked::Rows(rows) => {
            let outputs =
                run_rows(&model, &rows).with_context(|| format!("{shown} does not fit the model"))?;
            ("1".into(), rows.len(), outputs)
        }
    };
    if args.json {
        let model_version = name.as_ref().map(|name| name.version.to_string()).unwrap_or_default();
        let model_name = name.map_or_else(|| args.model.clone(), |name| name.name.to_string());
        let outputs = outputs.iter().map(tensor_json).collect();
        print_json(&InferResponse { model_name, model_version, id, outputs })?;
        return Ok(exit(true));
    }
    for row in 0..rows {
        let answer = answer::interpret(model.spec(), &outputs, row);
        match (&answer.label, answer.value, answer.confidence) {
            (Some(label), _, Some(confidence)) => println!("{label}\t{confidence:.4}"),
            (Some(label), _, None) => println!("{label}"),
            (None, Some(value), _) => println!("{value}"),
            // What is not read row by row is shown once, whole.
            (None, None, _) => {
                println!("{}", serde_json::to_string(&outputs)?);
                break;
            }
        }
    }
    Ok(exit(true))
}

fn find(args: &Args, config: &Config) -> anyhow::Result<(Given, Option<ModelRef>)> {
    let path = PathBuf::from(&args.model);
    if !path.exists()
        && let Ok(name) = args.model.parse()
    {
        let folder = Folder::new(&config.data_dir, &name);
        let slot = folder.read()?.current.with_context(|| {
            format!("{:?} is neither a file nor a model that this agent serves", args.model)
        })?;
        return Ok((load(&folder.bundle(&slot.model, &slot.sha256))?, Some(slot.model)));
    }
    let given = load(&path)?;
    let name = given.bundle().map(|bundle| bundle.model_ref().clone());
    Ok((given, name))
}

/// What a file holds.
enum Asked {
    Request(InferRequest, Vec<Tensor>),
    Rows(Vec<Row>),
}

fn asked(args: &Args) -> anyhow::Result<Asked> {
    let shown = args.input.display();
    let open =
        || File::open(&args.input).with_context(|| format!("{shown} cannot be opened; check the path"));
    let ending = args.input.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let rows = match ending {
        "json" => {
            let text = std::fs::read(&args.input).with_context(|| format!("{shown} cannot be read"))?;
            if is_request(&text) {
                let (request, inputs) = binary::read(&HeaderMap::new(), &text)
                    .map_err(anyhow::Error::msg)
                    .with_context(|| format!("{shown} is not usable"))?;
                return Ok(Asked::Request(request, inputs));
            }
            read_json_lines(Cursor::new(text), MAX_ROWS)
        }
        "jsonl" | "ndjson" => read_json_lines(BufReader::new(open()?), MAX_ROWS),
        _ => read_csv(open()?, MAX_ROWS),
    };
    Ok(Asked::Rows(rows.with_context(|| format!("{shown} is not usable"))?))
}

/// Whether a JSON text is meant as a request and not as rows: its first value has a list of inputs, or it cannot be
/// read and names them.
fn is_request(text: &[u8]) -> bool {
    match serde_json::Deserializer::from_slice(text).into_iter::<Value>().next() {
        Some(Ok(value)) => value.get("inputs").is_some_and(|inputs| inputs.is_array() || inputs.is_object()),
        _ => text.windows(8).any(|word| word == b"\"inputs\""),
    }
}
