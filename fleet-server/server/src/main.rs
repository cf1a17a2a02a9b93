//! The fleet server's program: `init` makes a folder, `run` serves it.

use std::{io::IsTerminal as _, net::IpAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use dunlin_server::{app::App, config::Config, folder::Folder, init};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// The Dunlin fleet server.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a new server folder: certificate authority, keys, settings, database.
    Init(init::Arguments),
    /// Serve a folder until Ctrl-C.
    Run {
        /// The folder that `init` made.
        folder: PathBuf,
        /// Address to listen on, for people and devices, instead of those in server.toml.
        #[arg(long)]
        listen: Option<IpAddr>,
        /// Port for HTTPS instead of the one in server.toml; 0 takes any that is free.
        #[arg(long)]
        http_port: Option<u16>,
        /// Port for devices instead of the one in server.toml; 0 takes any that is free.
        #[arg(long)]
        mqtt_port: Option<u16>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A second installation would find the first one; both are ring.
    drop(rustls::crypto::ring::default_provider().install_default());
    let wish = std::env::var("DUNLIN_LOG").ok().and_then(|wish| wish.parse::<Targets>().ok());
    let usual = || Targets::new().with_default(LevelFilter::INFO).with_target("mqtt5", LevelFilter::WARN);
    // Colours are for people who look, not for a journal.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    tracing_subscriber::registry().with(lines.with_filter(wish.unwrap_or_else(usual))).init();
    let outcome = match arguments.verb {
        Verb::Init(arguments) => init::run(&arguments),
        Verb::Run { folder, listen, http_port, mqtt_port } => run(folder, listen, http_port, mqtt_port),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dunlin-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    folder: PathBuf,
    listen: Option<IpAddr>,
    http_port: Option<u16>,
    mqtt_port: Option<u16>,
) -> anyhow::Result<()> {
    let folder = Folder::new(folder);
    let mut config = Config::load(&folder.config())?;
    if let Some(listen) = listen {
        (config.http.listen, config.mqtt.listen) = (listen, listen);
    }
    config.http.port = http_port.unwrap_or(config.http.port);
    config.mqtt.port = mqtt_port.unwrap_or(config.mqtt.port);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        tokio::spawn(async move {
            interrupted().await;
            stop.cancel();
        });
        App::build(config, folder).await?.run(shutdown).await
    })
}

/// Waits for Ctrl-C or a request to terminate.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "only Ctrl-C is heard");
            drop(tokio::signal::ctrl_c().await);
        }
    }
}
