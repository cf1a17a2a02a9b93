//! `dunlin demo`: the whole story on one machine, with the real programs.
//!
//! A server, one real agent process and a flock of simulated stations that replay fifty years of weather; a model is
//! trained, signed and rolled out; two sensors break; the model is trained again on newer data; a bad one is pushed,
//! stopped and taken back. With `--once` each of these is checked and the exit code says whether all happened.
//!
//! `data` cuts the readings, `programs` starts and stops processes, `wait` asks until something is so,
//! `fleet` knows what to ask the server, `story` tells it in order, `after` lets another program look at the end.

mod after;
mod data;
mod fleet;
mod programs;
mod story;
mod wait;

use std::path::PathBuf;

use anyhow::{Context, bail};

/// Arguments of `dunlin demo`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder for everything the demo makes; made anew.
    #[arg(long, default_value = "demo")]
    dir: PathBuf,
    /// Check that each thing happened, then stop: exit 0 if all did, 1 if not.
    #[arg(long)]
    once: bool,
    /// Simulated stations beside the one real agent.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(12..=200))]
    stations: u32,
    /// Program to run when the story is told and everything still runs; if it fails, so does the demo. It finds the
    /// server in DUNLIN_SERVER, its certificate authority in the file DUNLIN_CA, and DUNLIN_TOKEN opens everything.
    #[arg(long, value_name = "PROGRAM")]
    then: Option<PathBuf>,
}

/// Marks a folder as the demo's, so that nothing else is ever deleted.
const MARK: &str = ".dunlin-demo";

/// Runs the demo.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let then = arguments.then.as_deref().map(after::find).transpose()?;
    fresh_folder(&arguments.dir)?;
    let dir = arguments.dir.canonicalize()?;
    tokio::select! {
        told = story::tell(&dir, arguments.stations, then.as_deref(), arguments.once) => told,
        asked = told_to_stop() => {
            asked?;
            println!("\nStopped. Everything is in {}.", arguments.dir.display());
            Ok(())
        }
    }
}

/// Ends at Ctrl-C, at a request to terminate and when the terminal is closed: its programs must not outlive it.
async fn told_to_stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => (),
        _ = hangup.recv() => (),
    }
    Ok(())
}

fn fresh_folder(dir: &PathBuf) -> anyhow::Result<()> {
    if dir.exists() {
        if !dir.join(MARK).exists() {
            bail!("{} exists and was not made by the demo; name another folder with --dir", dir.display());
        }
        std::fs::remove_dir_all(dir).with_context(|| {
            format!(
                "cannot empty {}; is another demo running? Stop it, or name another folder with --dir",
                dir.display()
            )
        })?;
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    std::fs::write(dir.join(MARK), "made by `dunlin demo`, deleted by the next one\n")?;
    Ok(())
}
