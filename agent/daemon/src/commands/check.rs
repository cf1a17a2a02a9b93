//! `dunlin-agent check MODEL`: what is in a model, and whether this agent can run it.

use std::{path::PathBuf, process::ExitCode};

use dunlin_protocol::bundle::golden::Golden;
use dunlin_runtime::{
    Model, inspect,
    trial::{Trial, try_once},
};
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
    let golden = given.bundle().and_then(|bundle| bundle.golden.as_ref());
    let mut warnings = inspection.warnings;
    let (shown, error) = match Model::load(given.onnx(), spec) {
        Ok(model) => (model.spec().clone(), run_once(&model, golden, &mut warnings).err()),
        Err(error) => (inspection.spec, Some(error.to_string())),
    };
    let ok = error.is_none();
    if args.json {
        print_json(&json!({
            "ok": ok, "spec": shown, "operators": inspection.operators, "unsupported": inspection.unsupported,
            "opset": inspection.opset, "warnings": warnings, "error": error,
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
    for warning in &warnings {
        println!("  ! {warning}");
    }
    match error {
        None => println!("  ✓ it runs on this agent"),
        Some(error) => println!("  ✗ {error}"),
    }
    Ok(exit(ok))
}

/// One run on the golden inputs, or on made-up ones; what fails there fails on a device. What need not is a warning.
fn run_once(model: &Model, golden: Option<&Golden>, warnings: &mut Vec<String>) -> Result<(), String> {
    if model.is_planned_late() {
        warnings.push(
            "it is made ready anew whenever the lengths of its inputs, or the values of small ones, are not those of \
             the last calls, and such a call takes longer: fix them in the export if they never change"
                .into(),
        );
    }
    if let Some(golden) = golden {
        let run = model.run(&golden.inputs);
        return run.map(|_| ()).map_err(|error| format!("it loads, but fails on its golden inputs: {error}"));
    }
    match try_once(model) {
        Trial::Ran => {}
        Trial::TooLarge => warnings.push("it was not run: its input is too large to be made up".into()),
        Trial::Unclear { reason } => warnings.push(format!(
            "it loads, but fails on zeros and ones with several lengths of its free dimensions: {reason}; fix those \
             dimensions in the export to have it tried"
        )),
        Trial::Failed { reason } => {
            return Err(format!(
                "it loads, but fails on a row of zeros and on one of ones: {reason}; export the model without that \
                 operator, or with inputs of another type"
            ));
        }
    }
    Ok(())
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
