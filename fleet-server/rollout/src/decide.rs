//! The one step of a rollout, and what people may ask of it.

use std::collections::BTreeMap;

use dunlin_protocol::DeviceId;
use serde::{Deserialize, Serialize};

use crate::{
    gate::{Judgement, judge},
    health::Health,
    plan::explain,
    progress::{DeviceProgress, DeviceView, of},
    state::{Phase, Rollout, RolloutError},
    watch::Watch,
};

/// What follows from what is known now. Deciding again on the same values changes nothing more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The rollout to store.
    pub next: Rollout,
    /// Devices whose desired model is the rollout's and which do not serve it yet.
    pub assign: Vec<DeviceId>,
    /// Devices whose desired model is the previous one ([`Rollout::previous`]) and which have not confirmed it.
    pub revert: Vec<DeviceId>,
    /// Where it stands, in one sentence.
    pub sentence: String,
}

/// Decides from the devices' reports, the health since [`Rollout::judged_since_ms`] and the time.
///
/// One change of phase per call. Soak and deadlines are counted by the calls, not by the clock alone: see [`Watch`]. A
/// device that is not in `devices` counts as never heard of.
pub fn decide(rollout: &Rollout, devices: &[DeviceView], health: &Health, now_ms: i64) -> Decision {
    let views: BTreeMap<&DeviceId, &DeviceView> = devices.iter().map(|view| (&view.id, view)).collect();
    let mut next = rollout.clone();
    next.count_time(now_ms);
    if let Some(phase) = step(&next, &views, health, now_ms) {
        if matches!(&phase, Phase::Wave { .. }) && health.control.inferences() > 0 {
            next.baseline = health.control.clone();
        }
        next.enter(phase, now_ms);
    }
    let (assign, revert) = orders(&next, &views);
    let sentence = explain(&next);
    Decision { next, assign, revert, sentence }
}

/// Devices that still have to take the model, and those that still have to give it back.
fn orders(rollout: &Rollout, views: &BTreeMap<&DeviceId, &DeviceView>) -> (Vec<DeviceId>, Vec<DeviceId>) {
    let told = match &rollout.phase {
        Phase::Completed { .. } => rollout.members(rollout.waves.count() - 1),
        phase => phase.wave().map(|wave| rollout.members(wave)).unwrap_or_default(),
    };
    let (mut assign, mut revert) = (Vec::new(), Vec::new());
    for device in told {
        match of(rollout, true, views.get(device).copied()) {
            DeviceProgress::Pending | DeviceProgress::Installing => assign.push(device.clone()),
            DeviceProgress::GoingBack => revert.push(device.clone()),
            _ => {}
        }
    }
    (assign, revert)
}

/// How the devices of the begun waves are doing.
#[derive(Default)]
struct Tally {
    members: usize,
    success: usize,
    failure: usize,
    /// Told, not finished, and connected.
    busy: usize,
    /// Told, not finished, and away.
    away: usize,
}

fn tally(rollout: &Rollout, wave: usize, views: &BTreeMap<&DeviceId, &DeviceView>) -> Tally {
    let mut tally = Tally::default();
    for device in rollout.members(wave) {
        let view = views.get(device).copied();
        let progress = of(rollout, true, view);
        tally.members += usize::from(progress != DeviceProgress::Revoked);
        match progress {
            DeviceProgress::Revoked => {}
            DeviceProgress::Success => tally.success += 1,
            DeviceProgress::Failure => tally.failure += 1,
            _ if view.is_some_and(|view| view.online) => tally.busy += 1,
            _ => tally.away += 1,
        }
    }
    tally
}

/// The next phase, where it changes.
fn step(
    rollout: &Rollout,
    views: &BTreeMap<&DeviceId, &DeviceView>,
    health: &Health,
    now_ms: i64,
) -> Option<Phase> {
    let back = |wave, reason| Some(Phase::GoingBack { wave, reason, since_ms: now_ms });
    let watched = rollout.watch.seconds();
    match &rollout.phase {
        Phase::Planned => Some(Phase::Wave { wave: 0, since_ms: now_ms }),
        Phase::Wave { wave, .. } => {
            if let Some(reason) = stopped(rollout, *wave, views, health) {
                return back(*wave, reason);
            }
            let tally = tally(rollout, *wave, views);
            if tally.busy + tally.away == 0 {
                return Some(Phase::Soaking { wave: *wave, since_ms: now_ms });
            }
            let limit = rollout.waves.get(*wave);
            if watched < limit.wave_deadline_seconds {
                return None;
            }
            // The rest is skipped and caught up later, as long as there is something to judge.
            if tally.success == 0 || tally.success < (limit.min_devices as usize).min(tally.members) {
                let Tally { members, success, away, .. } = tally;
                let hours = short_time(limit.wave_deadline_seconds);
                return back(
                    *wave,
                    format!(
                        "only {success} of {members} devices took the model within {hours} ({away} offline)"
                    ),
                );
            }
            Some(Phase::Soaking { wave: *wave, since_ms: now_ms })
        }
        Phase::Soaking { wave, .. } => {
            if let Some(reason) = stopped(rollout, *wave, views, health) {
                return back(*wave, reason);
            }
            let limit = rollout.waves.get(*wave);
            if watched < limit.soak_seconds {
                return None;
            }
            match judge(limit, health, &rollout.baseline) {
                Judgement::TooFew { seen, needed } => {
                    let most = limit.soak_seconds.saturating_add(limit.wave_deadline_seconds);
                    if watched < most {
                        return None;
                    }
                    let time = short_time(most);
                    back(*wave, format!("only {seen} of {needed} inferences to judge by came within {time}"))
                }
                Judgement::Harmful(harm) => back(*wave, harm.sentence),
                Judgement::Healthy { .. } if *wave + 1 < rollout.waves.count() => {
                    Some(Phase::Wave { wave: *wave + 1, since_ms: now_ms })
                }
                Judgement::Healthy { .. } => Some(Phase::Completed { since_ms: now_ms }),
            }
        }
        Phase::Paused { was, .. } => {
            let wave = was.wave()?;
            stopped(rollout, wave, views, health).and_then(|reason| back(wave, reason))
        }
        Phase::GoingBack { wave, reason, since_ms } => {
            let waiting = rollout
                .members(*wave)
                .into_iter()
                .any(|device| of(rollout, true, views.get(device).copied()) == DeviceProgress::GoingBack);
            let late = watched >= rollout.waves.get(*wave).wave_deadline_seconds;
            (!waiting || late).then(|| Phase::RolledBack {
                wave: *wave,
                reason: reason.clone(),
                since_ms: *since_ms,
            })
        }
        Phase::Completed { .. } | Phase::RolledBack { .. } | Phase::Aborted { .. } => None,
    }
}

/// A reason to go back that does not wait for the end of a wave or a soak.
fn stopped(
    rollout: &Rollout,
    wave: usize,
    views: &BTreeMap<&DeviceId, &DeviceView>,
    health: &Health,
) -> Option<String> {
    let limit = rollout.waves.get(wave);
    let tally = tally(rollout, wave, views);
    let finished = tally.success + tally.failure;
    let open = match &rollout.phase {
        Phase::Wave { .. } => rollout.watch.seconds() < limit.wave_deadline_seconds,
        Phase::Paused { was, .. } => matches!(**was, Phase::Wave { .. }),
        _ => false,
    };
    // As soon as even the success of all others could not bring the share down again; and at the end. Devices
    // that are away still count as others until the deadline: a lost link is no failure of the model.
    let of = if open && tally.busy + tally.away > 0 { tally.members } else { finished };
    if tally.failure > 0 && tally.failure as f64 > limit.max_failure_ratio * of as f64 {
        let why = first_failure(rollout, wave, views).map(|why| format!(": {why}")).unwrap_or_default();
        return Some(format!("the update failed on {} of {finished} devices{why}", tally.failure));
    }
    match judge(limit, health, &rollout.baseline) {
        Judgement::Harmful(harm) => Some(harm.sentence),
        _ => None,
    }
}

fn first_failure(rollout: &Rollout, wave: usize, views: &BTreeMap<&DeviceId, &DeviceView>) -> Option<String> {
    use dunlin_protocol::update::UpdateState::{Failed, RolledBack};
    rollout.members(wave).into_iter().find_map(|device| {
        let view = views.get(device).copied()?;
        match &view.update.as_ref().filter(|update| update.model == rollout.model)?.state {
            Failed(reason) | RolledBack(reason) => Some(format!("{} on {device}", reason.message)),
            _ => None,
        }
    })
}

/// Seconds as people say them.
fn short_time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// Holds a rollout: no further device takes the model until [`resume`]. A harmful model still goes back.
///
/// # Errors
/// When it is paused, going back or over.
pub fn pause(rollout: &Rollout, now_ms: i64) -> Result<Rollout, RolloutError> {
    match &rollout.phase {
        Phase::Planned | Phase::Wave { .. } | Phase::Soaking { .. } => {
            let was = Box::new(rollout.phase.clone());
            Ok(Rollout { phase: Phase::Paused { was, since_ms: now_ms }, ..rollout.clone() })
        }
        _ => Err(refused(rollout, "paused", "only a running rollout can be paused")),
    }
}

/// Goes on where [`pause`] held. The pause does not count towards soak and deadline, what was seen before it does.
///
/// # Errors
/// When it is not paused.
pub fn resume(rollout: &Rollout, now_ms: i64) -> Result<Rollout, RolloutError> {
    let Phase::Paused { was, .. } = &rollout.phase else {
        return Err(refused(rollout, "resumed", "only a paused rollout can be resumed"));
    };
    let watch = Watch { seen_ms: now_ms, ..rollout.watch };
    Ok(Rollout { phase: was.as_ref().clone(), watch, ..rollout.clone() })
}

/// Ends a rollout: devices that were told to take the model go back.
///
/// # Errors
/// When it is going back already or over.
pub fn abort(rollout: &Rollout, reason: &str, now_ms: i64) -> Result<Rollout, RolloutError> {
    let reason = if reason.is_empty() { "aborted".to_owned() } else { reason.to_owned() };
    let phase = match (&rollout.phase, rollout.phase.wave()) {
        (Phase::GoingBack { .. }, _) => {
            return Err(refused(rollout, "aborted", "it takes the model back already"));
        }
        (phase, _) if phase.is_final() => {
            let cure = "roll out the earlier version to change what devices run";
            return Err(refused(rollout, "aborted", cure));
        }
        (_, Some(wave)) => Phase::GoingBack { wave, reason, since_ms: now_ms },
        (_, None) => Phase::Aborted { reason, since_ms: now_ms },
    };
    let mut next = rollout.clone();
    next.enter(phase, now_ms);
    Ok(next)
}

fn refused(rollout: &Rollout, what: &'static str, cure: &'static str) -> RolloutError {
    RolloutError::Phase { id: rollout.id.clone(), what, phase: rollout.phase.name(), cure }
}
