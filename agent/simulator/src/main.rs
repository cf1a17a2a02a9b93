//! `dunlin-sim`: a flock of real agents in one process.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use dunlin_simulator::{
    clock::StationClock,
    flock::Flock,
    script::{self, Step},
    slice,
    station::Plan,
    weather::Weather,
};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Many whole agents in one process, in bad weather. Lines on standard input break sensors: `fault 3 stuck COLUMN`.
#[derive(Parser)]
#[command(name = "dunlin-sim", version, about)]
struct Arguments {
    /// Address of the fleet server.
    #[arg(long)]
    server: String,
    /// Fingerprint of its certificate authority.
    #[arg(long, value_name = "SHA256")]
    ca: String,
    /// Enrolment token that is good for all stations.
    #[arg(long, env = "DUNLIN_TOKEN", hide_env_values = true)]
    token: String,
    /// How many stations.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=5000))]
    devices: u64,
    /// CSV file with the readings that stations replay, each its own years.
    #[arg(long)]
    data: PathBuf,
    /// Folder for the stations; those that are enrolled are used again.
    #[arg(long, default_value = "stations")]
    dir: PathBuf,
    /// Rows a second and station.
    #[arg(long, default_value_t = 10.0)]
    speed: f64,
    /// Seconds per window.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    window_seconds: u64,
    /// Seconds that a new model is watched.
    #[arg(long, default_value_t = 3)]
    probation_seconds: u64,
    /// Share of the time that a station has no network.
    #[arg(long, default_value_t = 0.0)]
    outage: f64,
    /// Mean length of an outage in seconds.
    #[arg(long, default_value_t = 5.0)]
    outage_seconds: f64,
    /// Most seconds that a station's clock is off.
    #[arg(long, default_value_t = 0)]
    clock_off_seconds: u32,
    /// TOML file with sensor faults.
    #[arg(long)]
    scenario: Option<PathBuf>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// `DUNLIN_LOG` as of the agent, a level only.
fn level() -> tracing_subscriber::filter::LevelFilter {
    let wish = std::env::var("DUNLIN_LOG").ok().and_then(|wish| wish.parse().ok());
    wish.unwrap_or(tracing_subscriber::filter::LevelFilter::WARN)
}

#[tokio::main]
async fn main() -> ExitCode {
    // Fails only if a provider is set already, and this is the first line that could.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level()).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let plans = plans(&arguments)?;
    let tell = |kind: &str, detail: String| {
        if arguments.json {
            println!("{}", json!({"event": kind, "detail": detail}));
        } else {
            println!("{kind}: {detail}");
        }
    };
    let flock = Flock::start(&plans, &arguments.server, &arguments.ca, &arguments.token, |plan| {
        tell("enrolled", plan.device.to_string());
    })
    .await?;
    if let Some(file) = &arguments.scenario {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        for step in script::scenario(&text)? {
            flock.apply(step)?;
        }
    }
    tell("ready", format!("{} stations", plans.len()));

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut listening = true;
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            line = lines.next_line(), if listening => match line? {
                Some(line) if line.trim().is_empty() => {}
                Some(line) => match line.parse::<Step>().and_then(|step| flock.apply(step)) {
                    Ok(()) => tell("done", line),
                    Err(error) => tell("refused", format!("{error:#}")),
                },
                None => listening = false,
            },
        }
    }
    flock.shutdown().await;
    Ok(())
}

fn plans(arguments: &Arguments) -> anyhow::Result<Vec<Plan>> {
    let rows = slice::count(&arguments.data)?;
    let mut random = Pcg64Mcg::seed_from_u64(arguments.seed);
    let off = i64::from(arguments.clock_off_seconds) * 1000;
    (0..arguments.devices)
        .map(|index| {
            let name = format!("station-{:02}", index + 1);
            let (from, to) = slice::of(index, arguments.devices, rows);
            let offset = if off == 0 { 0 } else { random.random_range(-off..=off) };
            Ok(Plan {
                device: name.parse()?,
                dir: arguments.dir.join(&name),
                readings: (arguments.data.clone(), from, to),
                speed: arguments.speed,
                window_seconds: arguments.window_seconds,
                probation_seconds: arguments.probation_seconds,
                clock: StationClock::new(offset, random.random_range(-50..=50)),
                weather: Weather {
                    outage: arguments.outage,
                    mean_outage: Duration::from_secs_f64(arguments.outage_seconds.clamp(0.1, 1e6)),
                },
                seed: random.random(),
            })
        })
        .collect()
}
