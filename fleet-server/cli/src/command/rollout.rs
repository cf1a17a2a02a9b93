//! `dunlin rollout`.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use dunlin_protocol::ModelRef;
use serde_json::{Value, json};

use super::Session;
use crate::{
    client::Api,
    output::{self, field, list},
};

/// Subcommands.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Bring a released model to the fleet in waves.
    Start {
        /// For example rain-1.4.0.
        model: ModelRef,
        /// Waves: `careful`, `standard`, `quick`, or a TOML file of your own.
        #[arg(long, default_value = "standard")]
        waves: String,
        /// Only these devices.
        #[arg(long = "device", value_name = "DEVICE")]
        devices: Vec<String>,
        /// Say what would happen, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// All rollouts.
    List,
    /// One rollout.
    Show {
        /// Its id.
        id: String,
    },
    /// Follow a rollout until it ends.
    Watch {
        /// Its id.
        id: String,
    },
    /// Hold a rollout where it is.
    Pause {
        /// Its id.
        id: String,
    },
    /// Go on with a paused rollout.
    Resume {
        /// Its id.
        id: String,
    },
    /// Take the model back from every device that took it.
    Abort {
        /// Its id.
        id: String,
    },
}

/// Runs a subcommand.
pub async fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    let api = session.api()?;
    match command {
        Command::Start { model, waves, devices, dry_run } => {
            let wish = wish(&model, &waves, &devices, dry_run)?;
            let rollout = api.post("/rollouts", &wish).await?;
            session.print(&rollout, |rollout| started(rollout, dry_run))
        }
        Command::List => {
            let rollouts: Value = api.get("/rollouts").await?;
            session.print(&rollouts, |rollouts| {
                let rows = list(rollouts, "rollouts").iter().map(row).collect();
                let empty = "No rollouts yet. `dunlin rollout start MODEL` begins one.";
                output::table(["id", "model", "phase", "wave", "reason"], rows, empty);
            })
        }
        Command::Show { id } => {
            let rollout: Value = api.get(&format!("/rollouts/{id}")).await?;
            session.print(&rollout, show)
        }
        Command::Watch { id } => watch(session, &api, &id).await,
        Command::Pause { id } => {
            turn(session, &api, &id, "pause", "held; `dunlin rollout resume` goes on").await
        }
        Command::Resume { id } => turn(session, &api, &id, "resume", "goes on").await,
        Command::Abort { id } => {
            turn(session, &api, &id, "abort", "going back on every device that took the model").await
        }
    }
}

fn wish(model: &ModelRef, waves: &str, devices: &[String], dry_run: bool) -> anyhow::Result<Value> {
    let file = PathBuf::from(waves);
    let waves = if file.extension().is_some_and(|extension| extension == "toml") {
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let value: Value =
            toml::from_str(&text).with_context(|| format!("{} is not TOML", file.display()))?;
        value
            .get("wave")
            .or(value.get("waves"))
            .cloned()
            .with_context(|| format!("{waves} has no [[wave]]"))?
    } else {
        json!(waves)
    };
    let mut wish = json!({"model": model.to_string(), "waves": waves, "dry_run": dry_run});
    if !devices.is_empty() {
        wish["devices"] = json!(devices);
    }
    Ok(wish)
}

async fn turn(session: &Session, api: &Api, id: &str, verb: &str, what: &str) -> anyhow::Result<()> {
    let value = api.post(&format!("/rollouts/{id}/{verb}"), &json!({})).await?;
    session.print(&value, |_| println!("Rollout {id}: {what}."))
}

fn row(rollout: &Value) -> [String; 5] {
    [
        field(rollout, "/id"),
        output::model(rollout.get("model")),
        field(rollout, "/phase"),
        field(rollout, "/wave"),
        field(rollout, "/reason"),
    ]
}

fn started(rollout: &Value, dry_run: bool) {
    let rows = list(rollout, "plan")
        .iter()
        .map(|wave| {
            let devices = match wave.get("devices") {
                Some(Value::Array(devices)) => devices.len().to_string(),
                _ => field(wave, "/devices"),
            };
            [field(wave, "/wave"), field(wave, "/percent"), devices]
        })
        .collect();
    output::table(["wave", "percent", "devices"], rows, "No device would take part.");
    if dry_run {
        println!("Nothing was done.");
    } else {
        let id = field(rollout, "/id");
        println!("Rollout {id} has begun. Follow it: `dunlin rollout watch {id}`");
    }
}

fn show(rollout: &Value) {
    println!("{}  {}", field(rollout, "/id"), output::model(rollout.get("model")));
    println!("{}", line(rollout));
    let rows = list(rollout, "devices")
        .iter()
        .map(|device| [field(device, "/device"), field(device, "/state")])
        .collect();
    output::table(["device", "state"], rows, "No device has been told yet.");
}

/// One line that says where a rollout stands.
pub fn line(rollout: &Value) -> String {
    let told = list(rollout, "devices").iter();
    let done = told
        .clone()
        .filter(|device| matches!(field(device, "/state").as_str(), "Committed" | "success"))
        .count();
    let reason = field(rollout, "/reason");
    let wave = field(rollout, "/wave");
    let mut text =
        format!("{}, wave {wave}, {done} of {} devices done", field(rollout, "/phase"), told.len());
    if !reason.is_empty() {
        text.push_str(&format!(": {reason}"));
    }
    text
}

/// True when nothing more will happen by itself.
pub fn is_over(rollout: &Value) -> bool {
    let phase = field(rollout, "/phase").to_lowercase();
    ["completed", "rolledback", "rolled_back", "rolled-back", "aborted", "failed"].contains(&phase.as_str())
}

async fn watch(session: &Session, api: &Api, id: &str) -> anyhow::Result<()> {
    let mut last = String::new();
    loop {
        let rollout: Value = api.get(&format!("/rollouts/{id}")).await?;
        let text = line(&rollout);
        if text != last {
            if session.json {
                output::json(&rollout)?;
            } else {
                println!("{text}");
            }
            last = text;
        }
        if is_over(&rollout) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
