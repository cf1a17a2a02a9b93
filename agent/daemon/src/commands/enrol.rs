//! `dunlin-agent enrol`: prints a check list while the device is enrolled, and four words to compare.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use dunlin_protocol::{DeviceId, message::Severity};

use super::{exit, print_json};
use crate::{
    Config,
    identity::{
        self,
        enrol::{EnrolRequest, enrol},
        seed,
    },
};

/// What was typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `https://HOST:PORT` of the fleet server.
    #[arg(required_unless_present = "seed")]
    server: Option<String>,
    /// Fingerprint of the server's CA, `sha256:HEX`.
    #[arg(long, required_unless_present = "seed")]
    ca: Option<String>,
    /// Enrolment token.
    #[arg(long, env = "DUNLIN_ENROL_TOKEN", hide_env_values = true, required_unless_present = "seed")]
    token: Option<String>,
    /// Read server, CA, token and name from a seed file, and erase the token there afterwards.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "ca", "device"])]
    seed: Option<PathBuf>,
    /// Name of this device; the host's name if not given.
    #[arg(long)]
    device: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Enrols.
pub async fn run(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let request = match &args.seed {
        Some(path) => {
            let seed =
                seed::file::read(path).with_context(|| format!("seed {} cannot be used", path.display()))?;
            let seed =
                seed.with_context(|| format!("there is no seed {}; give another path", path.display()))?;
            seed::task::request(&seed, &config.data_dir)?
        }
        None => typed(&args, &config)?,
    };
    let enrolled = enrol(&request, |check| {
        if !args.json {
            println!("  ✓ {:<12} {}", check.name, check.detail);
        }
    })
    .await?;
    if let Some(path) = args.seed {
        let seeds = identity::Config { seed_files: vec![path] };
        seed::forget_tokens(&seeds, &config.data_dir, &|_: &str, severity, text: String| match severity {
            Severity::Info if args.json => {}
            Severity::Info => println!("  ✓ {:<12} {text}", "seed"),
            _ => eprintln!("  ! {:<12} {text}", "seed"),
        });
    }
    if args.json {
        print_json(&enrolled)?;
    } else {
        println!("\n{} is enrolled at {}.", enrolled.server.device, enrolled.server.server_url);
        println!("Compare these words with the server's page:  {}", enrolled.words.join(" · "));
        println!("An agent that runs takes this up by itself; else start it: dunlin-agent run");
    }
    Ok(exit(true))
}

/// What was typed, with the host's name where no other was given.
fn typed(args: &Args, config: &Config) -> anyhow::Result<EnrolRequest> {
    let device: DeviceId = match &args.device {
        Some(name) => name.parse()?,
        None => {
            let host = crate::board::host_name().context("this host has no name; give --device NAME")?;
            host.parse().with_context(|| {
                format!("the host's name {host:?} cannot be a device's; give --device NAME")
            })?
        }
    };
    Ok(EnrolRequest {
        server_url: args.server.clone().context("give the server's address, or --seed FILE")?,
        ca_fingerprint: args.ca.clone().context("give --ca, or --seed FILE")?,
        token: args.token.clone().context("give --token, or --seed FILE")?,
        device,
        data_dir: config.data_dir.clone(),
    })
}
