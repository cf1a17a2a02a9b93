//! `dunlin-agent run`: the daemon, until it is told to stop.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::exit;
use crate::{Agent, Config, Surroundings};

/// Runs until SIGINT or SIGTERM.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("no signals can be heard")?;
    let running = Agent::start(config, Surroundings::real()).await?;
    if let Some(address) = running.address() {
        tracing::info!(address, "local API");
    }
    tokio::select! {
        _ = terminate.recv() => {}
        heard = tokio::signal::ctrl_c() => heard.context("no signals can be heard")?,
    }
    tracing::info!("stopping");
    running.shutdown().await;
    Ok(exit(true))
}
