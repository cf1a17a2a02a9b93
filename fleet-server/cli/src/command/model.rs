//! `dunlin model`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use dunlin_protocol::ModelRef;
use serde_json::Value;

use super::{Session, key};
use crate::{
    client::Api,
    output::{self, field, list},
};

/// Subcommands.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Upload a bundle (.dunlin) or a bare ONNX file; the server runs it before it becomes a candidate.
    Push {
        /// The file.
        file: PathBuf,
        /// Name and version of a bare ONNX file, for example rain-1.4.0.
        #[arg(long = "as", value_name = "NAME-VERSION")]
        named: Option<ModelRef>,
        /// What another runtime gave for some inputs: a table of features and outputs (CSV), or a request with its
        /// answer (JSON, as scripts/golden.py makes it).
        #[arg(long, value_name = "FILE")]
        golden: Option<PathBuf>,
        /// Also where devices have not the memory for it.
        #[arg(long)]
        anyway: bool,
        /// Sign it at once with the release key.
        #[arg(long)]
        sign: bool,
    },
    /// Say what agents would do with a bundle or a bare ONNX file; nothing is kept.
    Check {
        /// The file.
        file: PathBuf,
        /// What another runtime gave for some inputs, as for push.
        #[arg(long, value_name = "FILE")]
        golden: Option<PathBuf>,
    },
    /// All models.
    List,
    /// One model.
    Show {
        /// For example rain-1.4.0.
        model: ModelRef,
    },
    /// Sign a candidate with the owner's release key: only then will any device load it.
    Sign {
        /// For example rain-1.4.0.
        model: ModelRef,
        /// Folder with the owner's keys [default: the one given to `dunlin login`].
        #[arg(long, value_name = "DIR")]
        owner_keys: Option<PathBuf>,
    },
}

/// Runs a subcommand.
pub async fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    let api = session.api()?;
    match command {
        Command::Push { file, named, golden, anyway, sign } => {
            let value = push(&api, &file, named.as_ref(), golden.as_deref(), anyway).await?;
            if sign {
                let model: ModelRef = output::model(value.get("model")).parse()?;
                key::release(&api, &key::owner_folder(session, None)?, &model).await?;
            }
            session.print(&value, |value| {
                let model = output::model(value.get("model"));
                if value.get("compared") != Some(&Value::Bool(true)) {
                    println!(
                        "Its numbers were not compared with another runtime's: push it with --golden to have them compared."
                    );
                }
                if sign {
                    println!(
                        "{model} passed its probe and is released. Next: `dunlin rollout start {model}`."
                    );
                } else {
                    println!(
                        "{model} passed its probe and is a candidate. Next: `dunlin model sign {model}`."
                    );
                }
            })
        }
        Command::Check { file, golden } => {
            let sent = api.upload_model("/models/check", read(&file)?, expected(golden.as_deref())?).await;
            let value = sent.with_context(|| format!("{} could not be checked", file.display()))?;
            session.print(&value, |value| print_check(&file, value))?;
            match value.get("ok") {
                Some(Value::Bool(true)) => Ok(()),
                _ => bail!("{} cannot be used as it is", file.display()),
            }
        }
        Command::List => {
            let models: Value = api.get("/models").await?;
            session.print(&models, |models| {
                let rows = list(models, "models").iter().map(row).collect();
                output::table(
                    ["model", "stage", "champion", "bytes", "numbers"],
                    rows,
                    "No models yet. `dunlin model push FILE` uploads one, `dunlin train` makes one.",
                );
            })
        }
        Command::Show { model } => {
            let value: Value = api.get(&format!("/models/{}/{}", model.name, model.version)).await?;
            session.print(&value, show)
        }
        Command::Sign { model, owner_keys } => {
            let value = key::release(&api, &key::owner_folder(session, owner_keys)?, &model).await?;
            session.print(&value, |_| {
                println!("{model} is signed and released. Next: `dunlin rollout start {model}`.");
            })
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}; check the path", file.display()))
}

fn expected(golden: Option<&Path>) -> anyhow::Result<Option<Vec<u8>>> {
    golden.map(read).transpose()
}

async fn push(
    api: &Api,
    file: &Path,
    named: Option<&ModelRef>,
    golden: Option<&Path>,
    anyway: bool,
) -> anyhow::Result<Value> {
    let (bytes, golden) = (read(file)?, expected(golden)?);
    let is_onnx = file.extension().is_some_and(|extension| extension == "onnx");
    let path = match named {
        Some(model) => format!("/models?anyway={anyway}&name={}&version={}", model.name, model.version),
        None if is_onnx => bail!(
            "{} is a bare ONNX file and says neither name nor version; add --as NAME-VERSION, for example --as rain-1.4.0",
            file.display()
        ),
        None => format!("/models?anyway={anyway}"),
    };
    let sent = api.upload_model(&path, bytes, golden).await;
    sent.with_context(|| format!("{} was not taken", file.display()))
}

fn print_check(file: &Path, value: &Value) {
    let report = value.get("report").unwrap_or(&Value::Null);
    println!("{}  (opset {})", file.display(), field(report, "/opset"));
    print_spec(report);
    println!("  uses        {}", texts(report, "operators").join(", "));
    if let (Some(latency), Some(memory)) =
        (report.pointer("/latency_us/p50").and_then(Value::as_f64), report["memory_bytes"].as_f64())
    {
        println!("  costs       {latency:.1} µs a row on the server, {:.1} MB of memory", memory / 1e6);
    }
    for node in list(report, "unsupported") {
        println!(
            "  ✗ {} (node {}) {}",
            field(node, "/operator"),
            field(node, "/node"),
            field(node, "/reason")
        );
    }
    for warning in texts(report, "warnings") {
        println!("  ! {warning}");
    }
    let devices = texts(value, "too_small");
    if !devices.is_empty() {
        println!("  ✗ not enough memory on {}", devices.join(", "));
    }
    for (agent, count) in value["other_agents"].as_object().into_iter().flatten() {
        println!("  ! {count} devices run agent {agent}, which was not the judge");
    }
    match (report["error"].as_str(), report["compared"].as_str()) {
        (Some(error), _) => println!("  ✗ {error}"),
        (None, Some(compared)) => println!("  ✓ it runs, and {compared}"),
        (None, None) if report["ran"] == Value::Bool(true) => {
            println!("  ✓ it runs\n  ! numbers not compared: --golden takes what another runtime gave");
        }
        (None, None) => println!("  ! it loads, and was not seen to run"),
    }
}

fn texts<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    list(value, key).iter().filter_map(Value::as_str).collect()
}

fn compared(model: &Value) -> String {
    match model.pointer("/probe/compared").and_then(Value::as_bool) {
        Some(true) => "compared".to_owned(),
        Some(false) => "not compared".to_owned(),
        None => String::new(),
    }
}

fn row(model: &Value) -> [String; 5] {
    let champion = model.get("champion").and_then(Value::as_bool) == Some(true);
    [
        output::model(model.get("model")),
        field(model, "/stage"),
        if champion { "yes".to_owned() } else { String::new() },
        field(model, "/target/length"),
        compared(model),
    ]
}

/// Inputs and outputs.
fn print_spec(model: &Value) {
    for input in list(model.pointer("/spec/inputs").unwrap_or(&Value::Null), "") {
        let columns: Vec<String> =
            list(input, "features").iter().map(|feature| field(feature, "/name")).collect();
        println!(
            "  input       {} {} {}",
            field(input, "/name"),
            field(input, "/datatype"),
            columns.join(", ")
        );
    }
    for output in list(model.pointer("/spec/outputs").unwrap_or(&Value::Null), "") {
        println!(
            "  output      {} {} ({})",
            field(output, "/name"),
            field(output, "/datatype"),
            field(output, "/role")
        );
    }
}

fn show(model: &Value) {
    println!("{}  ({})", output::model(model.get("model")), field(model, "/stage"));
    println!("  task        {}", field(model, "/spec/task"));
    print_spec(model);
    println!(
        "  bundle      {} bytes, sha256 {}",
        field(model, "/target/length"),
        field(model, "/target/sha256")
    );
    println!("  numbers     {}", compared(model));
    for check in list(model.pointer("/probe/checks").unwrap_or(&Value::Null), "") {
        let mark = if check["ok"] == Value::Bool(true) { "✓" } else { "✗" };
        println!("  {mark} {:10} {}", field(check, "/name"), field(check, "/detail"));
    }
}
