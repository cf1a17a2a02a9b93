//! `dunlin-agent run`: the daemon, until it is told to stop.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::exit;
use crate::{Agent, Config, Surroundings, identity::files, service::notify};

/// How often it is looked whether this device was enrolled meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Runs until SIGINT or SIGTERM. An enrolment that comes while it runs is taken up by starting every room anew.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("no signals can be heard")?;
    loop {
        let enrolled = enrolment(&config.data_dir);
        let running = Agent::start(config.clone(), Surroundings::real()).await?;
        if let Some(address) = running.address() {
            tracing::info!(address, "local API");
        }
        notify::ready();
        let again = tokio::select! {
            _ = terminate.recv() => false,
            heard = tokio::signal::ctrl_c() => heard.map(|()| false).context("no signals can be heard")?,
            () = changed(&config.data_dir, enrolled.as_deref()) => true,
        };
        if again {
            tracing::info!("this device was enrolled: starting with its identity");
            running.shutdown().await;
            continue;
        }
        tracing::info!("stopping");
        notify::stopping();
        running.shutdown().await;
        return Ok(exit(true));
    }
}

/// The enrolment as it stands on disk, written last when a device is enrolled.
fn enrolment(data_dir: &Path) -> Option<Vec<u8>> {
    std::fs::read(files::folder(data_dir).join("server.json")).ok()
}

/// Waits for another enrolment than `known`.
async fn changed(data_dir: &Path, known: Option<&[u8]>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = enrolment(data_dir);
        if now.is_some() && now.as_deref() != known {
            return;
        }
    }
}
