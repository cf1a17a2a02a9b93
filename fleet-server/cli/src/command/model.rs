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
        /// Sign it at once with the release key.
        #[arg(long)]
        sign: bool,
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
        Command::Push { file, named, sign } => {
            let value = push(&api, &file, named.as_ref()).await?;
            if sign {
                let model: ModelRef = output::model(value.get("model")).parse()?;
                key::release(&api, &key::owner_folder(session, None)?, &model).await?;
            }
            session.print(&value, |value| {
                let model = output::model(value.get("model"));
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

async fn push(api: &Api, file: &Path, named: Option<&ModelRef>) -> anyhow::Result<Value> {
    let bytes =
        std::fs::read(file).with_context(|| format!("cannot read {}; check the path", file.display()))?;
    let is_onnx = file.extension().is_some_and(|extension| extension == "onnx");
    let path = match named {
        Some(model) => format!("/models?name={}&version={}", model.name, model.version),
        None if is_onnx => bail!(
            "{} is a bare ONNX file and says neither name nor version; add --as NAME-VERSION, for example --as rain-1.4.0",
            file.display()
        ),
        None => "/models".to_owned(),
    };
    let sent = api.upload(&path, "application/octet-stream", bytes).await;
    sent.with_context(|| format!("{} was not taken", file.display()))
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

fn show(model: &Value) {
    println!("{}  ({})", output::model(model.get("model")), field(model, "/stage"));
    println!("  task        {}", field(model, "/spec/task"));
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
