//! One station: a whole agent with a folder of its own.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use dunlin_agent::{
    Agent, Config, Running, Surroundings,
    identity::{
        Identity,
        enrol::{EnrolRequest, enrol},
    },
    source::{self, faults::Fault},
};
use dunlin_protocol::DeviceId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{clock::StationClock, weather::Weather};

/// What a station is made from.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name.
    pub device: DeviceId,
    /// Its folder.
    pub dir: PathBuf,
    /// The table it replays and its rows, `[from, to)`.
    pub readings: (PathBuf, u64, u64),
    /// Rows a second.
    pub speed: f64,
    /// Seconds per window.
    pub window_seconds: u64,
    /// Seconds a new model is watched.
    pub probation_seconds: u64,
    /// Its clock.
    pub clock: StationClock,
    /// Its network.
    pub weather: Weather,
    /// Seed of its weather.
    pub seed: u64,
}

/// A running station.
pub struct Station {
    agent: Running,
    faults: watch::Sender<Vec<Fault>>,
    stop: CancellationToken,
}

impl Plan {
    /// Enrols the station, unless it has an identity already.
    pub async fn enrol(&self, server: &str, ca: &str, token: &str) -> anyhow::Result<()> {
        if Identity::load(&self.dir)?.is_some() {
            return Ok(());
        }
        let request = EnrolRequest {
            server_url: server.to_owned(),
            ca_fingerprint: ca.to_owned(),
            token: token.to_owned(),
            device: self.device.clone(),
            data_dir: self.dir.clone(),
        };
        enrol(&request, |_| {}).await.with_context(|| format!("{} cannot enrol", self.device))?;
        Ok(())
    }

    fn config(&self) -> Config {
        let (readings, from_row, to_row) = self.readings.clone();
        let mut config = Config { data_dir: self.dir.clone(), ..Config::default() };
        config.serving.listen = "off".to_owned();
        config.source.kind = source::Kind::Replay;
        config.source.path = Some(readings);
        config.source.rows_per_second = self.speed;
        config.source.repeat = true;
        (config.source.from_row, config.source.to_row) = (from_row, to_row);
        config.telemetry.window_seconds = self.window_seconds;
        config.update.probation_seconds = self.probation_seconds;
        config.board.modes = vec!["simulated".to_owned()];
        config
    }

    /// Starts the agent with its own clock, weather and sensors.
    pub async fn start(&self) -> anyhow::Result<Station> {
        let (network, weather) = watch::channel(true);
        let (faults, broken) = watch::channel(Vec::new());
        let surroundings = Surroundings { clock: Arc::new(self.clock), weather, faults: broken, judge: None };
        let agent = Agent::start(self.config(), surroundings)
            .await
            .with_context(|| format!("{} cannot start", self.device))?;
        let stop = CancellationToken::new();
        tokio::spawn(self.weather.blow(self.seed, network, stop.clone()));
        Ok(Station { agent, faults, stop })
    }
}

impl Station {
    /// Breaks a sensor, beside those that are broken.
    pub fn break_sensor(&self, fault: Fault) {
        self.faults.send_modify(|faults| faults.push(fault));
    }

    /// Mends all sensors.
    pub fn mend(&self) {
        self.faults.send_replace(Vec::new());
    }

    /// Stops the agent; its last window is on disk.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.agent.shutdown().await;
    }
}
