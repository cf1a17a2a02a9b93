//! The one table of transitions: state × event → next state. Decides only.

use std::time::Duration;

use dunlin_protocol::update::{Reason, UpdateState};

use super::Config;

/// Process starts within one state before it counts as the cause of the crashes.
pub const MAX_STARTS: u32 = 3;

/// Where an attempt stands within its state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Time spent in the state by this process.
    pub elapsed: Duration,
    /// Times its work failed in a way worth repeating.
    pub failures: u32,
    /// Process starts that found the update in this state.
    pub starts: u32,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An update was asked for.
    Begin,
    /// The state's work is done.
    Done,
    /// The look-up found that the verified bundle is here already.
    Here,
    /// The state's work failed; `again` where another attempt may help.
    Fault {
        /// Why.
        reason: Reason,
        /// Worth another attempt.
        again: bool,
    },
    /// The new model misbehaves.
    Unhealthy(Reason),
    /// Time passed.
    Tick,
    /// The process began and found this state on disk.
    Restarted,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Another state.
    Enter(UpdateState),
    /// The same work again after a pause.
    Retry(Duration),
    /// Nothing changes.
    Stay,
    /// This event cannot happen in this state.
    Illegal,
}

/// The transition.
pub fn next(state: &UpdateState, progress: Progress, event: &Event, config: &Config) -> Next {
    use Next::{Enter, Illegal, Retry, Stay};
    use UpdateState as S;
    if state.is_final() {
        return match event {
            Event::Begin => Enter(S::Resolving),
            Event::Tick | Event::Restarted => Stay,
            _ => Illegal,
        };
    }
    let serving = matches!(state, S::Activating | S::Probation);
    let end = |reason: Reason| Enter(if serving { S::RolledBack(reason) } else { S::Failed(reason) });
    let late = || {
        let reason = format!("{} took longer than {} s", state.name(), deadline(state, config).as_secs());
        end(Reason::new("deadline", reason))
    };
    match (state, event) {
        (_, Event::Begin) => Illegal,
        (_, Event::Restarted) if progress.starts > MAX_STARTS => {
            let text = format!("the agent ended {} times in {}", progress.starts, state.name());
            end(Reason::new("crash-loop", text))
        }
        (_, Event::Restarted) => Stay,
        (S::Resolving | S::Downloading, Event::Fault { again: true, reason }) => {
            let pause = Duration::from_secs(1 << progress.failures.min(6));
            if progress.elapsed + pause < deadline(state, config) {
                Retry(pause)
            } else {
                end(reason.clone())
            }
        }
        (S::Shadow | S::Probation, Event::Unhealthy(reason)) => end(reason.clone()),
        (_, Event::Fault { reason, .. }) => end(reason.clone()),
        (S::Resolving, Event::Here) => Enter(S::Verifying),
        (S::Resolving, Event::Done) => Enter(S::Downloading),
        (S::Downloading, Event::Done) => Enter(S::Verifying),
        (S::Verifying, Event::Done) => Enter(S::Staging),
        (S::Staging, Event::Done) => Enter(S::SelfTest),
        (S::SelfTest, Event::Done) => Enter(S::Shadow),
        (S::Shadow, Event::Done) => Enter(S::Activating),
        (S::Activating, Event::Done) => Enter(S::Probation),
        (S::Shadow, Event::Tick) if progress.elapsed >= deadline(state, config) => Enter(S::Activating),
        (S::Probation, Event::Tick) if progress.elapsed >= deadline(state, config) => Enter(S::Committed),
        (S::Shadow | S::Probation, Event::Tick) => Stay,
        (_, Event::Tick) if progress.elapsed >= deadline(state, config) => late(),
        (_, Event::Tick) => Stay,
        (_, Event::Here | Event::Done | Event::Unhealthy(_)) => Illegal,
    }
}

/// How long a state may last. Shadow and probation end well after it, the others badly.
pub fn deadline(state: &UpdateState, config: &Config) -> Duration {
    Duration::from_secs(match state {
        UpdateState::Resolving | UpdateState::Downloading => config.fetch_deadline_seconds,
        UpdateState::Shadow => config.shadow_seconds,
        UpdateState::Probation => config.probation_seconds,
        _ => config.work_deadline_seconds,
    })
}

#[cfg(test)]
mod tests;
