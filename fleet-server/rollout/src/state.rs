//! What is stored of a rollout.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_protocol::{DeviceId, ModelRef};
use serde::{Deserialize, Serialize};

use crate::{health::Group, place, watch::Watch, waves::Waves};

/// Why a rollout cannot be made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RolloutError {
    /// Every device runs the model already, or there is none.
    #[error("no device needs {model}: {devices} devices are named and all of them run it; name others")]
    NothingToDo {
        /// The model.
        model: ModelRef,
        /// Devices that were given.
        devices: usize,
    },
    /// A device runs a model of another name.
    #[error(
        "device {device} is said to run {found}, not a version of {model}; give what it runs of that name"
    )]
    OtherModel {
        /// The device.
        device: DeviceId,
        /// What it runs.
        found: Box<ModelRef>,
        /// What is rolled out.
        model: Box<ModelRef>,
    },
    /// The phase does not allow it.
    #[error("rollout {id} cannot be {what}: it is {phase}; {cure}")]
    Phase {
        /// The rollout.
        id: String,
        /// What was asked.
        what: &'static str,
        /// Where it stands.
        phase: &'static str,
        /// What can be done.
        cure: &'static str,
    },
}

/// Where a rollout stands. Waves count from 0, times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Phase {
    /// Not begun.
    Planned,
    /// The wave's devices are told to take the model.
    Wave {
        /// The wave.
        wave: usize,
        /// Since when.
        since_ms: i64,
    },
    /// They have it and are watched.
    Soaking {
        /// The wave.
        wave: usize,
        /// Since when.
        since_ms: i64,
    },
    /// Held by a person: no further device takes the model. A harmful model still goes back.
    Paused {
        /// What it was.
        was: Box<Phase>,
        /// Since when.
        since_ms: i64,
    },
    /// The last wave passed. Devices that were offline are still caught up.
    Completed {
        /// Since when.
        since_ms: i64,
    },
    /// The devices that were told to take the model are told to take the previous one.
    GoingBack {
        /// The last wave that was begun.
        wave: usize,
        /// Why, in one sentence.
        reason: String,
        /// Since when.
        since_ms: i64,
    },
    /// Taken back. Devices that were offline stay in the list until they report.
    RolledBack {
        /// The last wave that was begun.
        wave: usize,
        /// Why, in one sentence.
        reason: String,
        /// Since when it was going back: a report must be later to count.
        since_ms: i64,
    },
    /// Stopped before any device was told.
    Aborted {
        /// Why.
        reason: String,
        /// Since when.
        since_ms: i64,
    },
}

impl Phase {
    /// The phase's name for people and filters.
    pub fn name(&self) -> &'static str {
        match self {
            Phase::Planned => "planned",
            Phase::Wave { .. } => "wave",
            Phase::Soaking { .. } => "soaking",
            Phase::Paused { .. } => "paused",
            Phase::Completed { .. } => "completed",
            Phase::GoingBack { .. } => "going-back",
            Phase::RolledBack { .. } => "rolled-back",
            Phase::Aborted { .. } => "aborted",
        }
    }

    /// True where the phase does not change any more. Devices may still be caught up or taken back.
    pub fn is_final(&self) -> bool {
        matches!(self, Phase::Completed { .. } | Phase::RolledBack { .. } | Phase::Aborted { .. })
    }

    /// The wave that is running or was the last to begin; `None` before the first and when completed.
    pub fn wave(&self) -> Option<usize> {
        match self {
            Phase::Wave { wave, .. }
            | Phase::Soaking { wave, .. }
            | Phase::GoingBack { wave, .. }
            | Phase::RolledBack { wave, .. } => Some(*wave),
            Phase::Paused { was, .. } => was.wave(),
            Phase::Planned | Phase::Completed { .. } | Phase::Aborted { .. } => None,
        }
    }

    /// Why it goes back, went back or was stopped.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Phase::GoingBack { reason, .. }
            | Phase::RolledBack { reason, .. }
            | Phase::Aborted { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

/// One model on its way to one fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Its id; fixes the devices' places.
    pub id: String,
    /// The model that is rolled out.
    pub model: ModelRef,
    /// The fleet, and what each device ran before. `None` for a device that had no model of that name.
    pub previous: BTreeMap<DeviceId, Option<ModelRef>>,
    /// The waves.
    pub waves: Waves,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// Where it stands.
    pub phase: Phase,
    /// Health of the control group when the last wave began, for the time when there is none left.
    #[serde(default)]
    pub baseline: Group,
    /// How long the phase was watched.
    #[serde(default)]
    pub watch: Watch,
}

impl Rollout {
    /// A planned rollout. Devices that run the model already are left out of it.
    ///
    /// # Errors
    /// When no device is left, or a device is said to run a model of another name.
    pub fn new(
        id: impl Into<String>,
        model: ModelRef,
        devices: impl IntoIterator<Item = (DeviceId, Option<ModelRef>)>,
        waves: Waves,
        now_ms: i64,
    ) -> Result<Self, RolloutError> {
        let mut given = 0;
        let mut previous = BTreeMap::new();
        for (device, runs) in devices {
            given += 1;
            if let Some(found) = runs.as_ref().filter(|runs| runs.name != model.name) {
                return Err(RolloutError::OtherModel {
                    device,
                    found: Box::new(found.clone()),
                    model: Box::new(model),
                });
            }
            if runs.as_ref() != Some(&model) {
                previous.insert(device, runs);
            }
        }
        if previous.is_empty() {
            return Err(RolloutError::NothingToDo { model, devices: given });
        }
        Ok(Self {
            id: id.into(),
            model,
            previous,
            waves,
            created_ms: now_ms,
            phase: Phase::Planned,
            baseline: Group::default(),
            watch: Watch { seen_ms: now_ms, ..Watch::default() },
        })
    }

    /// The devices of wave `wave` (from 0) and all before it.
    pub fn members(&self, wave: usize) -> BTreeSet<&DeviceId> {
        // A later wave is never smaller, even where an earlier one has the larger `min_devices`.
        let most = (0..=wave.min(self.waves.count() - 1))
            .map(|index| place::allowed(self.waves.get(index), self.previous.len()))
            .max()
            .unwrap_or(0);
        place::in_order(&self.id, self.previous.keys()).into_iter().take(most).collect()
    }

    /// Start of the period whose windows the next [`crate::decide()`] should see, in milliseconds since 1970:
    /// the running wave's or soak's begin, so that both groups are compared over the same time.
    pub fn judged_since_ms(&self) -> i64 {
        match &self.phase {
            Phase::Wave { since_ms, .. } | Phase::Soaking { since_ms, .. } => *since_ms,
            Phase::Paused { was, since_ms } => match was.as_ref() {
                Phase::Wave { since_ms, .. } | Phase::Soaking { since_ms, .. } => *since_ms,
                _ => *since_ms,
            },
            _ => self.created_ms,
        }
    }
}
