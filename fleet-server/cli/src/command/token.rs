//! `dunlin token`.

use dunlin_protocol::DeviceId;
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
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=87_600))]
        hours: u32,
        /// For how many seconds it is good, instead of hours.
        #[arg(long, conflicts_with = "hours", value_parser = clap::value_parser!(u32).range(1..))]
        seconds: Option<u32>,
        /// The only device that may enrol with it; needed to enrol a device again that is known here.
        #[arg(long, value_name = "NAME", conflicts_with = "api")]
        device: Option<DeviceId>,
        /// Print a seed file for an image of many boards, instead of the line for one.
        #[arg(long, conflicts_with_all = ["api", "device"])]
        seed: bool,
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
        Command::Create { api: for_api, uses, hours, seconds, device, seed: for_image, label } => {
            let kind = if for_api { "api" } else { "enrol" };
            let (good_for, seconds) = match seconds {
                Some(seconds) => (format!("{seconds} s"), seconds),
                None => (format!("{hours} h"), hours * 3600),
            };
            let wish = json!({
                "kind": kind, "uses": (!for_api).then_some(uses), "expires_seconds": seconds, "label": label, "device": device,
            });
            let token = api.post("/tokens", &wish).await?;
            session.print(&token, |token| {
                if for_api {
                    println!("{}", field(token, "/token"));
                } else if for_image {
                    let about = format!("For {uses} boards, good for {good_for} after it was made");
                    println!("{}", seed(&about, &field(token, "/enrol_line")));
                } else {
                    println!("On the device:\n\n  sudo dunlin-agent enrol {}\n", field(token, "/enrol_line"));
                    println!("Good for {uses} device(s) and {good_for}; it is not shown again.");
                }
            })
        }
        Command::List => {
            let tokens: Value = api.get("/tokens").await?;
            session.print(&tokens, |tokens| {
                let rows = list(tokens, "tokens")
                    .iter()
                    .map(|token| {
                        ["/id", "/kind", "/label", "/uses_left", "/status"].map(|key| field(token, key))
                    })
                    .collect();
                output::table(
                    ["id", "kind", "label", "uses left", "status"],
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

/// A seed file, from the line that the server gives: `URL --ca FINGERPRINT --token TOKEN`.
fn seed(about: &str, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |flag| words.iter().skip_while(|word| **word != flag).nth(1).copied().unwrap_or_default();
    format!(
        "# {about}.\n# Put this on the boot partition of the image, as dunlin-seed.toml; each board erases its token.\n\
         server = \"{}\"\nca = \"{}\"\ntoken = \"{}\"\n\
         # The name of each board; without it its host's name, or else its serial number.\n\
         # device = \"station-{{serial}}\"",
        words.first().copied().unwrap_or_default(),
        after("--ca"),
        after("--token"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_holds_what_the_line_says() {
        let text = seed("For 500 boards", "https://fleet:8443 --ca sha256:abcd --token s3cret");
        let values: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(values, ["server = \"https://fleet:8443\"", "ca = \"sha256:abcd\"", "token = \"s3cret\""]);
        assert!(text.starts_with("# For 500 boards.\n") && text.contains("{serial}"), "{text}");
    }
}
