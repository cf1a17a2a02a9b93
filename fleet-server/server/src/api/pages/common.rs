//! What several pages need.

use dunlin_dashboard::views::{
    self, DeploymentState, DeviceStatus, Frame, RolloutPhase, RolloutRow, Update, Verdict,
};
use dunlin_protocol::update::{UpdateReport, UpdateState};
use dunlin_rollout::Phase;

use crate::{
    access::Caller,
    api::Api,
    clock::now_ms,
    error::ApiError,
    fleet::{Known, Status, StoredRollout},
    monitoring::{history::Kept, rows},
};

/// What surrounds a page that anybody may see.
pub fn bare_frame(api: &Api) -> Frame {
    Frame {
        fleet: "Dunlin".into(),
        address: api.access.public().url.clone(),
        now_ms: now_ms(),
        ..Frame::default()
    }
}

/// What surrounds a viewer's page.
///
/// # Errors
/// The store's.
pub async fn frame(api: &Api, caller: &Caller) -> Result<Frame, ApiError> {
    let alerts_open = api.store.read(rows::open_count).await?;
    Ok(Frame { alerts_open, viewer: Some(caller.who.clone()), ..bare_frame(api) })
}

/// A device's status as pages know it.
pub fn status(status: Status) -> DeviceStatus {
    match status {
        Status::Online => DeviceStatus::Online,
        Status::Stale => DeviceStatus::Stale,
        Status::Offline => DeviceStatus::Offline,
        Status::Enrolled => DeviceStatus::Enrolled,
        Status::Revoked => DeviceStatus::Revoked,
    }
}

/// A verdict's word as pages know it.
pub fn verdict(word: &str) -> Verdict {
    match word {
        "ok" => Verdict::Ok,
        "notice" => Verdict::Notice,
        "drift" => Verdict::Drift,
        "sensor-fault" => Verdict::SensorFault,
        _ => Verdict::TooFew,
    }
}

/// An update as pages show it.
pub fn update(report: &UpdateReport) -> Update {
    let reason = match &report.state {
        UpdateState::Failed(reason) | UpdateState::RolledBack(reason) => Some(reason.message.clone()),
        _ => None,
    };
    Update {
        model: report.model.to_string(),
        state: report.state.name().to_owned(),
        since_ms: report.since_ms,
        reason,
        rollout: report.rollout.clone(),
    }
}

/// A device in a list.
pub async fn device_row(api: &Api, known: &Known, now_ms: i64) -> views::DeviceRow {
    let (drifting, faulty) = api.monitoring.of_device(&known.id).await;
    let state = known.state.as_ref();
    let serving = state.into_iter().flat_map(|state| &state.serving).map(|serving| views::Served {
        name: serving.model.name.to_string(),
        version: serving.model.version.to_string(),
        compared: serving.compared,
    });
    let board = api.monitoring.board.read().await;
    let windows = board.device(&known.id).map(|(_, _, device)| device);
    let inferences = windows.map(|device| device.history.iter().map(Kept::per_minute).collect());
    views::DeviceRow {
        id: known.id.to_string(),
        status: status(known.status(now_ms)),
        last_seen_ms: known.row.last_seen_ms,
        serving: serving.collect(),
        update: state.and_then(|state| state.updates.iter().max_by_key(|update| update.since_ms)).map(update),
        agent: state.map(|state| state.agent.clone()).unwrap_or_default(),
        modes: state.map(|state| state.modes.clone()).unwrap_or_default(),
        inferences: inferences.unwrap_or_default(),
        drifting,
        faulty,
        spooled: state.and_then(|state| state.spool).map_or(0, |spool| spool.records),
    }
}

/// A rollout's phase as pages know it.
pub fn phase(phase: &Phase) -> RolloutPhase {
    match phase {
        Phase::Planned => RolloutPhase::Planned,
        Phase::Wave { .. } => RolloutPhase::Running,
        Phase::Soaking { .. } => RolloutPhase::Soaking,
        Phase::Paused { .. } => RolloutPhase::Paused,
        Phase::Completed { .. } => RolloutPhase::Succeeded,
        Phase::GoingBack { .. } => RolloutPhase::RollingBack,
        Phase::RolledBack { .. } => RolloutPhase::RolledBack,
        Phase::Aborted { .. } => RolloutPhase::Aborted,
    }
}

/// Where a device of a rollout stands, from the stored word.
pub fn deployment(word: &str) -> DeploymentState {
    match word {
        "installing" | "going-back" => DeploymentState::Installing,
        "success" => DeploymentState::Success,
        "failure" => DeploymentState::Failure,
        "back" | "revoked" => DeploymentState::Aborted,
        _ => DeploymentState::Pending,
    }
}

/// A rollout in a list; `progress` are its devices' stored words.
pub fn rollout_row(stored: &StoredRollout, progress: &[(String, String, i64)]) -> RolloutRow {
    let rollout = &stored.rollout;
    let count = |wanted: &str| progress.iter().filter(|(_, state, _)| state == wanted).count();
    RolloutRow {
        id: rollout.id.clone(),
        model: rollout.model.to_string(),
        phase: phase(&rollout.phase),
        reason: Some(rollout.phase.reason().unwrap_or(&stored.sentence).to_owned()),
        wave: (rollout.phase.wave().map_or(stored.begun_ms.len(), |wave| wave + 1), rollout.waves.count()),
        done: count("success"),
        failed: count("failure"),
        total: rollout.previous.len(),
        started_ms: rollout.created_ms,
        ended_ms: stored.ended_ms,
    }
}

/// Rollouts with their devices' words, the newest first.
///
/// # Errors
/// The store's.
pub async fn rollouts(api: &Api) -> Result<Vec<(StoredRollout, RolloutRow)>, ApiError> {
    let all = api
        .store
        .read(|db| {
            use crate::fleet::stored;
            let rollouts = stored::list(db)?.into_iter();
            rollouts
                .map(|one| Ok((stored::progress_of(db, &one.rollout.id)?, one)))
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(all
        .into_iter()
        .map(|(progress, stored)| (rollout_row(&stored, &progress), stored))
        .map(|(row, s)| (s, row))
        .collect())
}

/// Marks on a time axis: where rollouts began.
pub fn markers(rollouts: &[(StoredRollout, RolloutRow)]) -> Vec<views::Marker> {
    rollouts
        .iter()
        .map(|(stored, row)| views::Marker { at_ms: stored.rollout.created_ms, label: row.model.clone() })
        .collect()
}
