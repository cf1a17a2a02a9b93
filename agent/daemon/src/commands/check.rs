//! `dunlin-agent check MODEL`: what is in a model, and whether this agent can run it.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use dunlin_protocol::{bundle::golden::Golden, cbor, spec::ModelSpec};
use dunlin_runtime::{
    Model, inspect,
    trial::{self, Trial, try_once},
};
use serde_json::json;

use super::{
    exit, golden,
    load::{Given, load},
    print_json,
    probe::{Latency, time},
};
use crate::board::report::resident_bytes;

/// What was typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An ONNX file or a bundle.
    model: PathBuf,
    /// What another runtime gave: a table of features and outputs (CSV), or a request with its answer (JSON).
    #[arg(long, value_name = "FILE")]
    golden: Option<PathBuf>,
    /// Write the golden vectors there, as a bundle holds them.
    #[arg(long, value_name = "FILE", requires = "golden", hide = true)]
    vectors: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What running it showed.
#[derive(Default)]
struct Tried {
    /// Whether it gave an answer.
    ran: bool,
    /// How its numbers stand to another runtime's, where there are such.
    compared: Option<String>,
    latency: Option<Latency>,
    warnings: Vec<String>,
    /// Why it cannot be used.
    error: Option<String>,
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
    let mut tried = Tried { warnings: inspection.warnings, ..Tried::default() };
    let before = resident_bytes();
    let spec = given.bundle().map(|bundle| &bundle.manifest.spec);
    let shown = match Model::load(given.onnx(), spec) {
        Ok(model) => {
            tried.error = tried.run(args, &given, &model).err().map(|error| format!("{error:#}"));
            model.spec().clone()
        }
        Err(error) => {
            tried.error = Some(error.to_string());
            inspection.spec
        }
    };
    let memory = resident_bytes().saturating_sub(before);
    let ok = tried.error.is_none();
    if args.json {
        print_json(&json!({
            "ok": ok, "spec": shown, "operators": inspection.operators, "unsupported": inspection.unsupported,
            "opset": inspection.opset, "warnings": tried.warnings, "error": tried.error, "ran": tried.ran,
            "compared": tried.compared, "latency_us": tried.latency, "memory_bytes": memory,
        }))?;
        return Ok(exit(ok));
    }
    println!("{} (opset {})", args.model.display(), inspection.opset);
    print_spec(&shown);
    println!("  uses    {}", inspection.operators.join(", "));
    if let Some(latency) = tried.latency {
        println!("  costs   {latency} here, {:.1} MB", memory as f64 / 1e6);
    }
    for node in &inspection.unsupported {
        println!("  ✗ {node}");
    }
    for warning in &tried.warnings {
        println!("  ! {warning}");
    }
    match (&tried.error, &tried.compared) {
        (Some(error), _) => println!("  ✗ {error}"),
        (None, Some(compared)) => println!("  ✓ it runs on this agent, and {compared}"),
        (None, None) if tried.ran => {
            println!(
                "  ✓ it runs on this agent\n  ! numbers not compared: --golden takes what another runtime gave"
            );
        }
        (None, None) => println!("  ! it loads on this agent, and was not seen to run"),
    }
    Ok(exit(ok))
}

fn print_spec(spec: &ModelSpec) {
    for input in &spec.inputs {
        println!("  input   {} {} {}", input.name, input.datatype, shape(&input.shape));
    }
    for output in &spec.outputs {
        let (name, kind, shape) = (&output.name, output.datatype, shape(&output.shape));
        println!("  output  {name} {kind} {shape} ({:?})", output.role);
    }
}

impl Tried {
    /// Compares with golden vectors, or runs once on made-up input; what fails there fails on a device. What need not is a
    /// warning.
    fn run(&mut self, args: &Args, given: &Given, model: &Model) -> anyhow::Result<()> {
        if model.is_planned_late() {
            self.warnings.push(
                "it is made ready anew whenever the lengths of its inputs, or the values of small ones, are not those \
                 of the last calls, and such a call takes longer: fix them in the export if they never change"
                    .into(),
            );
        }
        let bundled = || given.bundle().and_then(|bundle| bundle.golden.clone());
        let vectors = match &args.golden {
            Some(path) => Some(golden::read(path, model.spec())?),
            None => bundled(),
        };
        match &vectors {
            Some(vectors) => {
                self.compared = Some(golden::compare(model, vectors)?);
                self.ran = true;
            }
            None => self.try_once(model)?,
        }
        let inputs = vectors.as_ref().map(|v| v.inputs.clone()).or_else(|| trial::zeros(model.spec()));
        self.latency = inputs.filter(|_| self.ran).and_then(|inputs| time(model, &inputs).ok());
        match (&args.vectors, &vectors) {
            (Some(path), Some(vectors)) => write(path, vectors),
            _ => Ok(()),
        }
    }

    fn try_once(&mut self, model: &Model) -> anyhow::Result<()> {
        match try_once(model) {
            Trial::Ran => self.ran = true,
            Trial::TooLarge => {
                self.warnings.push("it was not run: its input is too large to be made up".into());
            }
            Trial::Unclear { reason } => self.warnings.push(format!(
                "it loads, but fails on zeros and ones with several lengths of its free dimensions: {reason}; fix \
                 those dimensions in the export to have it tried, or give golden vectors"
            )),
            Trial::Failed { reason } => anyhow::bail!(
                "it loads, but fails on a row of zeros and on one of ones: {reason}; export the model without that \
                 operator, or with inputs of another type"
            ),
        }
        Ok(())
    }
}

fn write(path: &PathBuf, vectors: &Golden) -> anyhow::Result<()> {
    let shown = path.display();
    std::fs::write(path, cbor::to_vec(vectors)?).with_context(|| format!("{shown} cannot be written"))
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
