//! `dunlin alert`.

use serde_json::{Value, json};

use super::Session;
use crate::output::{self, age, field, list, now_ms};

/// Subcommands.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Open alerts.
    List {
        /// Closed ones too.
        #[arg(long)]
        all: bool,
    },
    /// Say that someone looks after an alert.
    Acknowledge {
        /// Its id.
        id: String,
    },
}

/// Runs a subcommand.
pub async fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    let api = session.api()?;
    match command {
        Command::List { all } => {
            let alerts: Value = api.get(if all { "/alerts?state=all" } else { "/alerts?state=open" }).await?;
            session.print(&alerts, |alerts| {
                let rows = list(alerts, "alerts").iter().map(row).collect();
                output::table(
                    ["id", "severity", "state", "since", "message"],
                    rows,
                    "Nothing needs attention.",
                );
            })
        }
        Command::Acknowledge { id } => {
            let value = api.post(&format!("/alerts/{id}/acknowledge"), &json!({})).await?;
            session.print(&value, |_| println!("Alert {id} is acknowledged."))
        }
    }
}

fn row(alert: &Value) -> [String; 5] {
    let since =
        alert.get("since_ms").and_then(Value::as_i64).map(|ms| age(now_ms() - ms)).unwrap_or_default();
    [field(alert, "/id"), field(alert, "/severity"), field(alert, "/state"), since, field(alert, "/message")]
}
