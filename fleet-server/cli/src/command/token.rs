//! `dunlin token`.

use serde_json::{Value, json};

use super::Session;
use crate::output::{self, field, list};

/// Subcommands.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Make a token and print the line that uses it. A token is shown once.
    Create {
        /// For a program that calls the API, instead of for enrolling devices.
        #[arg(long)]
        api: bool,
        /// How many devices may enrol with it.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// For how many hours it is good.
        #[arg(long, default_value_t = 24)]
        hours: u32,
        /// What it is for, to recognise it by.
        #[arg(long, default_value = "")]
        label: String,
    },
    /// All tokens, without their secrets.
    List,
    /// Make a token useless.
    Revoke {
        /// Its id, from `dunlin token list`.
        id: String,
    },
}

/// Runs a subcommand.
pub async fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    let api = session.api()?;
    match command {
        Command::Create { api: for_api, uses, hours, label } => {
            let kind = if for_api { "api" } else { "enrol" };
            let seconds = u64::from(hours) * 3600;
            let wish = json!({"kind": kind, "uses": uses, "expires_seconds": seconds, "label": label});
            let token = api.post("/tokens", &wish).await?;
            session.print(&token, |token| {
                if for_api {
                    println!("{}", field(token, "/token"));
                } else {
                    println!("On the device:\n\n  sudo dunlin-agent enrol {}\n", field(token, "/enrol_line"));
                    println!("Good for {uses} device(s) and {hours} h; it is not shown again.");
                }
            })
        }
        Command::List => {
            let tokens: Value = api.get("/tokens").await?;
            session.print(&tokens, |tokens| {
                let rows = list(tokens, "tokens")
                    .iter()
                    .map(|token| ["/id", "/kind", "/label", "/uses"].map(|key| field(token, key)))
                    .collect();
                output::table(
                    ["id", "kind", "label", "uses left"],
                    rows,
                    "No tokens. `dunlin token create` makes one.",
                );
            })
        }
        Command::Revoke { id } => {
            let value = api.delete(&format!("/tokens/{id}")).await?;
            session.print(&value, |_| println!("Token {id} is revoked."))
        }
    }
}
