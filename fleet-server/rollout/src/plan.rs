//! A rollout for people: what it will do, and where it stands.

use dunlin_protocol::DeviceId;
use serde::{Deserialize, Serialize};

use crate::state::{Phase, Rollout};

/// One wave of a dry run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedWave {
    /// Number of the wave, from 1.
    pub wave: usize,
    /// Share of the fleet at its end.
    pub percent: f64,
    /// Shortest time it takes, in seconds.
    pub soak_seconds: u64,
    /// The devices that are new in it, in the order of their places.
    pub devices: Vec<DeviceId>,
}

/// Which devices take the model in which wave.
pub fn plan(rollout: &Rollout) -> Vec<PlannedWave> {
    let ordered = crate::place::in_order(&rollout.id, rollout.previous.keys());
    let mut begun = 0;
    rollout
        .waves
        .as_slice()
        .iter()
        .enumerate()
        .map(|(index, wave)| {
            let end = rollout.members(index).len();
            let devices = ordered.iter().skip(begun).take(end - begun).map(|id| (*id).clone()).collect();
            begun = end;
            PlannedWave { wave: index + 1, percent: wave.percent, soak_seconds: wave.soak_seconds, devices }
        })
        .collect()
}

/// Where the rollout stands, in one sentence.
pub fn explain(rollout: &Rollout) -> String {
    let (model, waves, devices) = (&rollout.model, rollout.waves.count(), rollout.previous.len());
    let of = |wave: usize| rollout.members(wave).len();
    match &rollout.phase {
        Phase::Planned => format!("{model} waits to begin: {waves} waves, {devices} devices"),
        Phase::Wave { wave, .. } => {
            format!("{model} goes to {} of {devices} devices (wave {} of {waves})", of(*wave), wave + 1)
        }
        Phase::Soaking { wave, .. } => {
            format!("{model} is watched on {} of {devices} devices (wave {} of {waves})", of(*wave), wave + 1)
        }
        Phase::Paused { was, .. } => match was.wave() {
            Some(wave) => format!(
                "{model} is paused in wave {} of {waves}: {} of {devices} devices; resume or abort it",
                wave + 1,
                of(wave)
            ),
            None => format!("{model} is paused before its first wave; resume or abort it"),
        },
        Phase::Completed { .. } => format!("{model} is rolled out to {devices} devices"),
        Phase::GoingBack { wave, reason, .. } => {
            format!("{model} is taken back from {} devices: {reason}", of(*wave))
        }
        Phase::RolledBack { wave, reason, .. } => {
            format!("{model} was taken back in wave {} of {waves}: {reason}", wave + 1)
        }
        Phase::Aborted { reason, .. } => format!("{model} was aborted before its first wave: {reason}"),
    }
}
