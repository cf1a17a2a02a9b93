//! `dunlin device`.

use serde_json::{Value, json};

use super::Session;
use crate::output::{self, age, field, list, now_ms};

/// Subcommands.
#[derive(clap::Subcommand)]
pub enum Command {
    /// All devices.
    List {
        /// Only those with this status: online, stale, offline, enrolled, revoked.
        #[arg(long)]
        status: Option<String>,
        /// Only those that serve this model, by name.
        #[arg(long)]
        model: Option<String>,
    },
    /// One device.
    Show {
        /// Its name.
        device: String,
    },
    /// Ask a device for a sign of life, over MQTT and back.
    Ping {
        /// Its name.
        device: String,
    },
    /// Withdraw a device's certificate and cut its connections.
    Revoke {
        /// Its name.
        device: String,
    },
}

/// Runs a subcommand.
pub async fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    let api = session.api()?;
    match command {
        Command::List { status, model } => {
            let mut path = "/devices?limit=10000".to_owned();
            for (key, value) in [("status", status), ("model", model)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{key}={value}"));
                }
            }
            let devices: Value = api.get(&path).await?;
            session.print(&devices, |devices| {
                let rows = list(devices, "devices").iter().map(row).collect();
                output::table(
                    ["device", "status", "reported", "model", "update", "agent"],
                    rows,
                    "No devices yet. `dunlin token create` prints the line that enrols one.",
                );
            })
        }
        Command::Show { device } => {
            let value: Value = api.get(&format!("/devices/{device}")).await?;
            session.print(&value, show)
        }
        Command::Ping { device } => {
            let question = json!({"name": "ping", "arguments": {}});
            let reply = api.post(&format!("/devices/{device}/command"), &question).await?;
            session.print(&reply, |reply| println!("{device}: {}", field(reply, "/message")))
        }
        Command::Revoke { device } => {
            let value = api.delete(&format!("/devices/{device}")).await?;
            session.print(&value, |_| println!("{device} is revoked; its connections are cut."))
        }
    }
}

fn reported(device: &Value) -> String {
    let age_ms = device
        .get("age_ms")
        .and_then(Value::as_i64)
        .or_else(|| Some(now_ms() - device.get("last_seen_ms")?.as_i64()?));
    age_ms.map_or_else(|| "never".to_owned(), |ms| format!("{} ago", age(ms)))
}

fn serving(device: &Value) -> String {
    let models = list(device.pointer("/state/serving").unwrap_or(&Value::Null), "").iter();
    let names: Vec<String> = models.map(|serving| output::model(serving.get("model"))).collect();
    names.join(", ")
}

fn update(device: &Value) -> String {
    let updates = list(device.pointer("/state/updates").unwrap_or(&Value::Null), "").iter();
    let states: Vec<String> = updates
        .map(|update| match update.get("state") {
            Some(Value::String(state)) => state.clone(),
            Some(Value::Object(state)) => state
                .iter()
                .map(|(name, reason)| format!("{name}: {}", field(reason, "/message")))
                .collect::<Vec<_>>()
                .join(", "),
            _ => String::new(),
        })
        .collect();
    states.join("; ")
}

fn row(device: &Value) -> [String; 6] {
    [
        field(device, "/id"),
        field(device, "/status"),
        reported(device),
        serving(device),
        update(device),
        field(device, "/state/agent"),
    ]
}

fn show(device: &Value) {
    let facts = [
        ("status", field(device, "/status")),
        ("reported", reported(device)),
        ("model", serving(device)),
        ("update", update(device)),
        ("agent", field(device, "/state/agent")),
        ("clock", field(device, "/state/clock")),
        ("records waiting", field(device, "/state/spool/records")),
        ("records dropped", field(device, "/state/spool/dropped")),
        ("system", field(device, "/state/system/system")),
        ("architecture", field(device, "/state/system/architecture")),
        ("disk free, bytes", field(device, "/state/system/disk_free_bytes")),
        ("agent memory, bytes", field(device, "/state/system/agent_bytes")),
    ];
    println!("{}", field(device, "/id"));
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        println!("  {name:20} {value}");
    }
}
