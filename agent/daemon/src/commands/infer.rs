//! `dunlin-agent infer`: a model on a file of rows, or on one Open Inference Protocol request.

use std::{fs::File, io::BufReader, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
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
    let loaded = Model::load(given.onnx(), spec).with_context(|| format!("{} cannot be used", args.model))?;
    let model = Arc::new(loaded);
    let (id, inputs) = inputs(args, &model)?;
    let outputs = model.run(&inputs)?;
    if args.json {
        let model_version = name.as_ref().map(|name| name.version.to_string()).unwrap_or_default();
        let model_name = name.map_or_else(|| args.model.clone(), |name| name.name.to_string());
        let outputs = outputs.iter().map(tensor_json).collect();
        print_json(&InferResponse { model_name, model_version, id, outputs })?;
        return Ok(exit(true));
    }
    let rows = inputs.first().and_then(|tensor| tensor.shape.first().copied()).unwrap_or(1);
    for row in 0..rows {
        let answer = answer::interpret(model.spec(), &outputs, row);
        match (&answer.label, answer.value, answer.confidence) {
            (Some(label), _, Some(confidence)) => println!("{label}\t{confidence:.4}"),
            (Some(label), _, None) => println!("{label}"),
            (None, Some(value), _) => println!("{value}"),
            (None, None, _) => println!("{}", serde_json::to_string(&outputs)?),
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

fn inputs(args: &Args, model: &Model) -> anyhow::Result<(String, Vec<Tensor>)> {
    let shown = args.input.display();
    let open =
        || File::open(&args.input).with_context(|| format!("{shown} cannot be opened; check the path"));
    let ending = args.input.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if ending == "json" {
        let text = std::fs::read(&args.input).with_context(|| format!("{shown} cannot be read"))?;
        if let Ok(request) = serde_json::from_slice::<InferRequest>(&text) {
            let tensors = request.inputs.into_iter().map(|tensor| tensor.into_tensor());
            let tensors = tensors
                .collect::<Result<_, _>>()
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("{shown} is not usable"))?;
            return Ok((request.id.unwrap_or_else(|| "1".into()), tensors));
        }
    }
    let rows = match ending {
        "json" | "jsonl" | "ndjson" => read_json_lines(BufReader::new(open()?), MAX_ROWS),
        _ => read_csv(open()?, MAX_ROWS),
    };
    let rows = rows.with_context(|| format!("{shown} is not usable"))?;
    let inputs =
        tensor_inputs(model.spec(), &rows).with_context(|| format!("{shown} does not fit the model"))?;
    Ok(("1".into(), inputs))
}
