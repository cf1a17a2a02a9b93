//! How far each device is, read from what it reports.

use dunlin_protocol::{
    DeviceId, ModelRef,
    update::{UpdateReport, UpdateState},
};
use serde::{Deserialize, Serialize};

use crate::state::Rollout;

/// What the server knows of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceView {
    /// The device.
    pub id: DeviceId,
    /// Whether it is connected.
    pub online: bool,
    /// Whether its right to connect was taken: nothing is to be expected of it.
    #[serde(default)]
    pub revoked: bool,
    /// The model of the rollout's model name that answers now, as last reported.
    pub serving: Option<ModelRef>,
    /// Its update of that model name, as last reported.
    pub update: Option<UpdateReport>,
    /// When the server last heard of it, in milliseconds since 1970 by the server's clock.
    pub last_seen_ms: i64,
}

/// Where one device stands in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceProgress {
    /// In no wave that has begun.
    Waiting,
    /// Told, nothing reported.
    Pending,
    /// Told, and working on it.
    Installing,
    /// It serves the model.
    Success,
    /// The update failed or the device took it back by itself.
    Failure,
    /// To be taken back, not confirmed by the device.
    GoingBack,
    /// It reported to be without the model after it was to be taken back.
    Back,
    /// Its right to connect was taken; it counts for nothing.
    Revoked,
}

/// Where a device stands; `view` is `None` for one that the server does not know any more.
pub fn progress(rollout: &Rollout, device: &DeviceId, view: Option<&DeviceView>) -> DeviceProgress {
    let told = match rollout.phase.wave() {
        Some(wave) => rollout.members(wave).contains(device),
        None => matches!(rollout.phase, crate::Phase::Completed { .. }),
    };
    of(rollout, told && rollout.previous.contains_key(device), view)
}

/// The same, where it is known whether the device was told to take the model.
pub(crate) fn of(rollout: &Rollout, told: bool, view: Option<&DeviceView>) -> DeviceProgress {
    if !told {
        return DeviceProgress::Waiting;
    }
    if view.is_some_and(|view| view.revoked) {
        return DeviceProgress::Revoked;
    }
    if let crate::Phase::GoingBack { since_ms, .. } | crate::Phase::RolledBack { since_ms, .. } =
        &rollout.phase
    {
        let back = view.is_some_and(|view| is_back(rollout, view, *since_ms));
        return if back { DeviceProgress::Back } else { DeviceProgress::GoingBack };
    }
    let Some(view) = view else { return DeviceProgress::Pending };
    match view.update.as_ref().filter(|update| concerns(rollout, update)).map(|update| &update.state) {
        Some(UpdateState::Failed(_) | UpdateState::RolledBack(_)) => DeviceProgress::Failure,
        Some(state) if !state.is_final() => DeviceProgress::Installing,
        _ if view.serving.as_ref() == Some(&rollout.model) => DeviceProgress::Success,
        _ => DeviceProgress::Pending,
    }
}

/// A report of an earlier rollout of the same model says nothing about this one.
fn concerns(rollout: &Rollout, update: &UpdateReport) -> bool {
    update.model == rollout.model && update.rollout.as_ref().is_none_or(|id| *id == rollout.id)
}

/// Only a report of after the turn counts: an earlier one may precede a download that was already asked for.
fn is_back(rollout: &Rollout, view: &DeviceView, since_ms: i64) -> bool {
    let on_its_way =
        view.update.as_ref().is_some_and(|update| update.model == rollout.model && !update.state.is_final());
    view.last_seen_ms > since_ms && view.serving.as_ref() != Some(&rollout.model) && !on_its_way
}
