//! Many stations: enrolled with one token, started, broken on command, stopped together.

use anyhow::bail;

use crate::{
    script::Step,
    station::{Plan, Station},
};

/// Stations that enrol at the same time.
const ENROL_AT_ONCE: usize = 8;

/// The running stations.
pub struct Flock {
    stations: Vec<Station>,
}

impl Flock {
    /// Enrols those that are new and starts all. `each` hears of every station that is enrolled.
    pub async fn start(
        plans: &[Plan],
        server: &str,
        ca: &str,
        token: &str,
        mut each: impl FnMut(&Plan),
    ) -> anyhow::Result<Self> {
        for some in plans.chunks(ENROL_AT_ONCE) {
            let mut tasks = tokio::task::JoinSet::new();
            for plan in some.iter().cloned() {
                let (server, ca, token) = (server.to_owned(), ca.to_owned(), token.to_owned());
                tasks.spawn(async move { plan.enrol(&server, &ca, &token).await.map(|()| plan) });
            }
            while let Some(done) = tasks.join_next().await {
                each(&done??);
            }
        }
        let mut stations = Vec::with_capacity(plans.len());
        for plan in plans {
            stations.push(plan.start().await?);
        }
        Ok(Self { stations })
    }

    /// Carries out a step of a script.
    pub fn apply(&self, step: Step) -> anyhow::Result<()> {
        let number = step.station();
        let Some(station) = number.checked_sub(1).and_then(|index| self.stations.get(index)) else {
            bail!("there is no station {number}; they count from 1 to {}", self.stations.len());
        };
        match step {
            Step::Break { fault, .. } => station.break_sensor(fault),
            Step::Mend { .. } => station.mend(),
        }
        Ok(())
    }

    /// Stops all stations at the same time.
    pub async fn shutdown(self) {
        let mut tasks = tokio::task::JoinSet::new();
        for station in self.stations {
            tasks.spawn(station.shutdown());
        }
        tasks.join_all().await;
    }
}
