//! `dunlin-agent infer`: a model on a file of rows, or on one Open Inference Protocol request.

use std::{fs::File, io::BufReader, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use axum::http::HeaderMap;
use dunlin_protocol::{ModelRef, tensor::Tensor};
use dunlin_runtime::{
    Model, answer,
    rows::{read_csv, read_json_lines, tensor_inputs},
};

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

/// What tells a request from a table of JSON lines.
const REQUEST: &[u8] = b"\"inputs\"";

/// What was typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An ONNX file, a bundle, or the name of a model that this agent serves.
    #[arg(long)]
    model: String,
    /// CSV, JSON lines, or an Open Inference Protocol request (.json).
    #[arg(long)]
    input: PathBuf,
    /// Print the protocol's response; one a row where the model takes one row at a time.
    #[arg(long)]
    json: bool,
}

/// Runs the model once.
pub fn run(args: &Args, config: &Config) -> anyhow::Result<ExitCode> {
    let (given, name) = find(args, config)?;
    let spec = given.bundle().map(|bundle| &bundle.manifest.spec);
    let loaded = Model::load(given.onnx(), spec).with_context(|| format!("{} cannot be used", args.model))?;
    let model = Arc::new(loaded);
    let model_version = name.as_ref().map(|name| name.version.to_string()).unwrap_or_default();
    let model_name = name.map_or_else(|| args.model.clone(), |name| name.name.to_string());
    for Asked { request, inputs } in asked(args, &model)? {
        let outputs = model.run(&inputs)?;
        let chosen = request
            .choose(outputs.clone())
            .map_err(anyhow::Error::msg)
            .with_context(|| format!("{} does not fit the model", args.input.display()))?;
        if args.json {
            let outputs = chosen.iter().map(|(output, _)| tensor_json(output)).collect();
            let (model_name, model_version) = (model_name.clone(), model_version.clone());
            let id = request.id.unwrap_or_else(|| "1".into());
            print_json(&InferResponse { model_name, model_version, id, outputs })?;
        } else {
            let rows = inputs.first().and_then(|tensor| tensor.shape.first().copied()).unwrap_or(1);
            (0..rows).try_for_each(|row| print_answer(&model, &outputs, row))?;
        }
    }
    Ok(exit(true))
}

fn print_answer(model: &Model, outputs: &[Tensor], row: usize) -> anyhow::Result<()> {
    let answer = answer::interpret(model.spec(), outputs, row);
    match (&answer.label, answer.value, answer.confidence) {
        (Some(label), _, Some(confidence)) => println!("{label}\t{confidence:.4}"),
        (Some(label), _, None) => println!("{label}"),
        (None, Some(value), _) => println!("{value}"),
        (None, None, _) => println!("{}", serde_json::to_string(outputs)?),
    }
    Ok(())
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

/// One run of the model.
struct Asked {
    request: InferRequest,
    inputs: Vec<Tensor>,
}

/// The runs that the file asks for: one for a request; one for all rows of a table, or for each row where the model
/// takes no more at once.
fn asked(args: &Args, model: &Model) -> anyhow::Result<Vec<Asked>> {
    let shown = args.input.display();
    let open =
        || File::open(&args.input).with_context(|| format!("{shown} cannot be opened; check the path"));
    let unusable = || format!("{shown} is not usable");
    let ending = args.input.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if ending == "json" {
        let text = std::fs::read(&args.input).with_context(|| format!("{shown} cannot be read"))?;
        match binary::read(&HeaderMap::new(), &text) {
            Ok((request, inputs)) => return Ok(vec![Asked { request, inputs }]),
            Err(reason) if text.windows(REQUEST.len()).any(|part| part == REQUEST) => {
                return Err(anyhow::Error::msg(reason)).with_context(unusable);
            }
            Err(_) => {}
        }
    }
    let rows = match ending {
        "json" | "jsonl" | "ndjson" => read_json_lines(BufReader::new(open()?), MAX_ROWS),
        _ => read_csv(open()?, MAX_ROWS),
    };
    let rows = rows.with_context(unusable)?;
    let alone = model.spec().inputs.iter().any(|input| input.shape.first() == Some(&Some(1)));
    let tables = rows.chunks(if alone { 1 } else { rows.len() });
    tables
        .map(|rows| {
            let inputs = tensor_inputs(model.spec(), rows)
                .with_context(|| format!("{shown} does not fit the model"))?;
            Ok(Asked { request: InferRequest::default(), inputs })
        })
        .collect()
}
