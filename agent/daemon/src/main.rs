//! `dunlin-agent`: the command line of the agent.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use dunlin_agent::{Config, commands, service};

/// Runs machine-learning models on a device, reports how they do, and takes signed updates.
#[derive(Parser)]
#[command(name = "dunlin-agent", version)]
struct Cli {
    /// Configuration file (TOML).
    #[arg(long, global = true, env = "DUNLIN_AGENT_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of identity, models and spool; stands over the configuration.
    #[arg(long, global = true, env = "DUNLIN_AGENT_DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Enrol this device at a fleet server; the server prints the line to paste.
    Enrol(commands::enrol::Args),
    /// Run the agent.
    Run,
    /// Show what it runs, how it is connected and what waits.
    Status(commands::status::Args),
    /// Examine this board: what is wrong, and what to do about each.
    Doctor(commands::doctor::Args),
    /// Say what is in a model and whether it runs here.
    Check(commands::check::Args),
    /// Judge a bundle before it is signed.
    Probe(commands::probe::Args),
    /// Run a model once on a file.
    Infer(commands::infer::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    service::logs::start();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a crypto provider was installed before");
    }
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Verb::Doctor(args) = cli.verb {
        // A configuration that cannot be read is a finding too.
        return block_on(commands::doctor::run(args, cli.config, cli.data_dir));
    }
    let mut config = Config::load(cli.config.as_deref())?;
    if let Some(data_dir) = cli.data_dir {
        config.data_dir = data_dir;
    }
    match cli.verb {
        Verb::Check(args) => return commands::check::run(&args),
        Verb::Probe(args) => return commands::probe::run(&args),
        Verb::Infer(args) => return commands::infer::run(&args, &config),
        Verb::Enrol(_) | Verb::Run => commands::owner::give_way(&config.data_dir)?,
        Verb::Status(_) | Verb::Doctor(_) => {}
    }
    block_on(async {
        match cli.verb {
            Verb::Enrol(args) => commands::enrol::run(args, config).await,
            Verb::Status(args) => commands::status::run(args, config).await,
            _ => commands::run::run(config).await,
        }
    })
}

fn block_on(verb: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(verb);
    // A read of standard input that never returns must not hold up the end.
    runtime.shutdown_background();
    code
}
