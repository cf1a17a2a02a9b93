//! `/rollouts` and `/rollouts/{id}`.

use std::collections::BTreeMap;

use axum::{extract::State, response::Html};
use dunlin_dashboard::{
    pages,
    views::{
        Command, DeploymentState, GroupHealth, Marker, RolloutDevice, RolloutPage, RolloutsPage, WaveState,
        WaveView,
    },
};
use dunlin_rollout::Phase;

use super::common::{self, deployment, frame, rollout_row};
use crate::{
    access::Caller,
    api::{Api, extract::At},
    error::ApiError,
    fleet::{
        StoredRollout, device,
        stored::{self, Summary},
    },
    registry::rows::Stage,
};

pub(super) async fn list(caller: Caller, State(api): State<Api>) -> Result<Html<String>, ApiError> {
    let rollouts = common::rollouts(&api).await?.into_iter().map(|(_, row)| row).collect();
    let models = api.registry.list().await?.into_iter().filter(|row| row.stage == Stage::Release);
    let releases = models.map(|row| row.model.to_string()).collect();
    Ok(Html(pages::rollouts(&RolloutsPage { frame: frame(&api, &caller).await?, rollouts, releases })))
}

/// What can be done with a rollout now.
pub(super) fn commands(stored: &StoredRollout) -> Vec<Command> {
    let button = |text: &str, verb: &str, confirm: Option<&str>| Command {
        text: text.into(),
        action: format!("/api/v1/rollouts/{}/{verb}", stored.rollout.id),
        confirm: confirm.map(str::to_owned),
    };
    let abort =
        button("Abort and go back", "abort", Some("Take the model back from every device that took it?"));
    match &stored.rollout.phase {
        Phase::Paused { .. } => vec![button("Resume", "resume", None), abort],
        Phase::GoingBack { .. } => Vec::new(),
        phase if phase.is_final() => Vec::new(),
        _ => vec![button("Pause", "pause", None), abort],
    }
}

pub(super) async fn show(
    caller: Caller,
    State(api): State<Api>,
    At(id): At<String>,
) -> Result<Html<String>, ApiError> {
    let stored = api.fleet.rollout(&id).await?;
    let (progress, devices) =
        api.store.read(move |db| Ok((stored::progress_of(db, &id)?, device::all(db)?))).await?;
    let name = &stored.rollout.model.name;
    let details: BTreeMap<&str, String> = devices
        .iter()
        .filter_map(|known| {
            let update = common::update(&known.update(name)?);
            // A device may be at work on another version by now.
            let about = update.model == stored.rollout.model.to_string();
            about.then_some((known.id.as_str(), update.reason.unwrap_or(update.state)))
        })
        .collect();
    let plan = dunlin_rollout::plan(&stored.rollout);
    let wave_of: BTreeMap<&str, usize> =
        plan.iter().flat_map(|wave| wave.devices.iter().map(|id| (id.as_str(), wave.wave))).collect();
    let of: BTreeMap<&str, (DeploymentState, i64)> =
        progress.iter().map(|(id, word, since)| (id.as_str(), (deployment(word), *since))).collect();
    let page = RolloutPage {
        frame: frame(&api, &caller).await?,
        rollout: rollout_row(&stored, &progress),
        waves: plan.iter().map(|wave| wave_view(&stored, wave, &of)).collect(),
        devices: stored
            .rollout
            .previous
            .keys()
            .map(|id| {
                let known = of.get(id.as_str());
                RolloutDevice {
                    id: id.to_string(),
                    wave: wave_of.get(id.as_str()).copied().unwrap_or(0),
                    state: known.map(|(state, _)| *state).unwrap_or_default(),
                    detail: details.get(id.as_str()).cloned().unwrap_or_default(),
                    since_ms: known.map(|(_, since)| *since),
                }
            })
            .collect(),
        control: health(&stored.control),
        treatment: health(&stored.treatment),
        gates: gates(&stored),
        errors: Vec::new(),
        markers: stored
            .begun_ms
            .iter()
            .enumerate()
            .map(|(index, at)| Marker { at_ms: *at, label: format!("wave {}", index + 1) })
            .collect(),
        commands: commands(&stored),
    };
    Ok(Html(pages::rollout(&page)))
}

fn wave_view(
    stored: &StoredRollout,
    wave: &dunlin_rollout::PlannedWave,
    of: &BTreeMap<&str, (DeploymentState, i64)>,
) -> WaveView {
    let count = |wanted: &[DeploymentState]| {
        wave.devices
            .iter()
            .filter(|id| of.get(id.as_str()).is_some_and(|(state, _)| wanted.contains(state)))
            .count()
    };
    let index = wave.wave - 1;
    let begun = stored.begun_ms.get(index).copied();
    let mut phase = &stored.rollout.phase;
    if let Phase::Paused { was, .. } = phase {
        phase = was;
    }
    let state = match (phase, begun) {
        (Phase::Completed { .. }, _) => WaveState::Passed,
        (Phase::Wave { wave, .. }, _) if *wave == index => WaveState::Running,
        (Phase::Soaking { wave, .. }, _) if *wave == index => WaveState::Soaking,
        (Phase::GoingBack { wave, .. } | Phase::RolledBack { wave, .. }, _) if *wave == index => {
            WaveState::Failed
        }
        (_, Some(_)) => WaveState::Passed,
        (phase, None) if phase.is_final() || matches!(phase, Phase::GoingBack { .. }) => WaveState::Skipped,
        (_, None) => WaveState::Waiting,
    };
    WaveView {
        percent: wave.percent,
        devices: wave.devices.len(),
        success: count(&[DeploymentState::Success]),
        failure: count(&[DeploymentState::Failure, DeploymentState::Aborted]),
        working: count(&[DeploymentState::Downloading, DeploymentState::Installing]),
        state,
        soak_seconds: wave.soak_seconds,
        started_ms: begun,
        verdict: (state == WaveState::Failed).then(|| phase.reason().unwrap_or_default().to_owned()),
    }
}

fn health(summary: &Summary) -> Option<GroupHealth> {
    (summary.devices > 0).then_some(GroupHealth {
        devices: summary.devices,
        inferences: summary.inferences,
        failures: summary.failures,
        error_ratio: summary.error_ratio,
        latency_p99_us: summary.latency_p99_us,
        confidence: summary.confidence,
    })
}

/// What stops the rollout, by the wave at work.
fn gates(stored: &StoredRollout) -> Vec<String> {
    let wave = stored.rollout.waves.get(stored.rollout.phase.wave().unwrap_or(0));
    vec![
        format!("more than {:.0} % of the updates fail", wave.max_failure_ratio * 100.0),
        format!(
            "the model does more than {:.0} points worse than the control group",
            wave.max_health_drop * 100.0
        ),
        format!("fewer than {} inferences to judge by", wave.min_inferences),
    ]
}
