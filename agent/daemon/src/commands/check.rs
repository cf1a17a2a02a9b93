//! `dunlin-agent check MODEL`: what is in a model, and whether this agent can run it.

use std::{path::PathBuf, process::ExitCode};

use dunlin_runtime::{Model, inspect};
use serde_json::json;

use super::{exit, load::load, print_json};

/// What was typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An ONNX file or a bundle.
    model: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Checks. Exit 1 when the model cannot run here.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let given = match load(&args.model) {
        Ok(given) => given,
        Err(error) => return refuse(args, &format!("{error:#}")),
    };
    let inspection = match inspect(given.onnx()) {
        Ok(inspection) => inspection,
        Err(error) => return refuse(args, &format!("{}: {error}", args.model.display())),
    };
    let spec = given.bundle().map(|bundle| &bundle.manifest.spec);
    let loaded = Model::load(given.onnx(), spec);
    let shown = loaded.as_ref().ok().map(|model| model.spec().clone()).unwrap_or(inspection.spec);
    let error = loaded.err().map(|error| error.to_string());
    let ok = error.is_none();
    if args.json {
        print_json(&json!({
            "ok": ok, "spec": shown, "operators": inspection.operators, "unsupported": inspection.unsupported,
            "opset": inspection.opset, "warnings": inspection.warnings, "error": error,
        }))?;
        return Ok(exit(ok));
    }
    println!("{} (opset {})", args.model.display(), inspection.opset);
    for input in &shown.inputs {
        println!("  input   {} {} {}", input.name, input.datatype, shape(&input.shape));
    }
    for output in &shown.outputs {
        println!(
            "  output  {} {:?} {} ({:?})",
            output.name,
            output.datatype,
            shape(&output.shape),
            output.role
        );
    }
    println!("  uses    {}", inspection.operators.join(", "));
    for node in &inspection.unsupported {
        println!("  ✗ {node}");
    }
    for warning in &inspection.warnings {
        println!("  ! {warning}");
    }
    match error {
        None => println!("  ✓ it runs on this agent"),
        Some(error) => println!("  ✗ {error}"),
    }
    Ok(exit(ok))
}

fn refuse(args: &Args, error: &str) -> anyhow::Result<ExitCode> {
    if args.json {
        print_json(&json!({ "ok": false, "error": error }))?;
        return Ok(exit(false));
    }
    anyhow::bail!("{error}")
}

fn shape(dims: &[Option<usize>]) -> String {
    let dims: Vec<String> = dims.iter().map(|dim| dim.map_or("?".into(), |dim| dim.to_string())).collect();
    format!("[{}]", dims.join(","))
}
