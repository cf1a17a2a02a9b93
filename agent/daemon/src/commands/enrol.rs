//! `dunlin-agent enrol`: prints a check list while the device is enrolled, and four words to compare.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use dunlin_protocol::DeviceId;

use super::{exit, print_json};
use crate::identity::enrol::{EnrolRequest, enrol};

/// What was typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `https://HOST:PORT` of the fleet server.
    server: String,
    /// Fingerprint of the server's CA, `sha256:HEX`.
    #[arg(long)]
    ca: String,
    /// Enrolment token.
    #[arg(long, env = "DUNLIN_ENROL_TOKEN", hide_env_values = true)]
    token: String,
    /// Name of this device; the host's name if not given.
    #[arg(long)]
    device: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Enrols.
pub async fn run(args: Args, data_dir: PathBuf) -> anyhow::Result<ExitCode> {
    let device: DeviceId = match args.device {
        Some(name) => name.parse()?,
        None => {
            let host = crate::board::host_name().context("this host has no name; give --device NAME")?;
            host.parse().with_context(|| {
                format!("the host's name {host:?} cannot be a device's; give --device NAME")
            })?
        }
    };
    let request = EnrolRequest {
        server_url: args.server,
        ca_fingerprint: args.ca,
        token: args.token,
        device,
        data_dir,
    };
    let enrolled = enrol(&request, |check| {
        if !args.json {
            println!("  ✓ {:<12} {}", check.name, check.detail);
        }
    })
    .await?;
    if args.json {
        print_json(&enrolled)?;
    } else {
        println!("\n{} is enrolled at {}.", enrolled.server.device, enrolled.server.server_url);
        println!("Compare these words with the server's page:  {}", enrolled.words.join(" · "));
        println!("Next: dunlin-agent run");
    }
    Ok(exit(true))
}
