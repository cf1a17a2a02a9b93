//! `dunlin-agent run`: the daemon, until it is told to stop.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::exit;
use crate::{
    Agent, Config, Running, Surroundings,
    identity::{files, seed},
    service::notify,
};

/// How often it is looked whether this device was enrolled meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Runs until SIGINT or SIGTERM. A device that is not enrolled tries to be, with the seed of its image if it has one. An
/// enrolment that comes while it runs is taken up by starting every room anew.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("no signals can be heard")?;
    loop {
        let enrolled = enrolment(&config.data_dir);
        let surroundings = Surroundings { judge: std::env::current_exe().ok(), ..Surroundings::real() };
        let running = Agent::start(config.clone(), surroundings).await?;
        if let Some(address) = running.address() {
            tracing::info!(address, "local API");
        }
        notify::ready();
        let again = tokio::select! {
            _ = terminate.recv() => false,
            heard = tokio::signal::ctrl_c() => heard.map(|()| false).context("no signals can be heard")?,
            () = changed(&config.data_dir, enrolled.as_deref()) => true,
            () = seeded(&config, &running) => true,
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

/// Enrols with a seed, or erases its token where that was done already; then nothing follows.
async fn seeded(config: &Config, running: &Running) {
    let tell = |code: &str, severity, text: String| {
        tracing::info!(code, "{text}");
        running.tell(code, severity, text);
    };
    if enrolment(&config.data_dir).is_some() {
        seed::forget_tokens(&config.enrol, &config.data_dir, &tell);
    } else {
        seed::enrol_when_possible(config.enrol.clone(), config.data_dir.clone(), tell).await;
    }
    std::future::pending().await
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
