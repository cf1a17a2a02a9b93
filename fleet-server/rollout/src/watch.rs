//! Time, where the server may be down for a while and its clock may be set.

use serde::{Deserialize, Serialize};

use crate::state::{Phase, Rollout};

/// Turns come each second. Where two are further apart than this, the server was down or its clock was set forward,
/// and nobody watched in between. Turns are stored far more often ([`Watch::is_worth_storing`]).
const LONGEST_GAP_MS: i64 = 120_000;
/// Time between two turns that are stored for the time's sake alone.
const STORED_EACH_MS: i64 = 30_000;

/// How long the running phase was watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Milliseconds since the phase was entered, less pauses and times when no turn came.
    pub watched_ms: i64,
    /// The latest turn, in milliseconds since 1970.
    pub seen_ms: i64,
    /// Phases that were entered so far, which tells two periods apart where the clock cannot.
    pub phases: u32,
}

impl Watch {
    /// Whether the next turn needs to know of this one, seen from the `stored` one.
    pub fn is_worth_storing(&self, stored: &Watch) -> bool {
        self.phases != stored.phases
            || !(0..STORED_EACH_MS).contains(&self.seen_ms.saturating_sub(stored.seen_ms))
    }

    /// Seconds of [`Watch::watched_ms`].
    pub(crate) fn seconds(&self) -> u64 {
        u64::try_from(self.watched_ms / 1000).unwrap_or(0)
    }
}

impl Rollout {
    /// Changes the phase.
    pub(crate) fn enter(&mut self, phase: Phase, now_ms: i64) {
        self.phase = phase;
        self.watch = Watch { watched_ms: 0, seen_ms: now_ms, phases: self.watch.phases.saturating_add(1) };
    }

    /// Counts the time since the last turn. A clock that was set back takes the phase's begin with it, so that what
    /// is reported from now on is not taken for older than the phase.
    pub(crate) fn count_time(&mut self, now_ms: i64) {
        let passed = now_ms.saturating_sub(self.watch.seen_ms);
        if passed < 0 {
            self.phase.move_begin(passed);
        } else if self.phase.is_final() {
            return;
        } else if passed <= LONGEST_GAP_MS && !matches!(self.phase, Phase::Paused { .. }) {
            self.watch.watched_ms += passed;
        }
        self.watch.seen_ms = now_ms;
    }
}

impl Phase {
    fn move_begin(&mut self, by_ms: i64) {
        match self {
            Phase::Planned => {}
            Phase::Paused { was, since_ms } => {
                was.move_begin(by_ms);
                *since_ms = since_ms.saturating_add(by_ms);
            }
            Phase::Wave { since_ms, .. }
            | Phase::Soaking { since_ms, .. }
            | Phase::Completed { since_ms }
            | Phase::GoingBack { since_ms, .. }
            | Phase::RolledBack { since_ms, .. }
            | Phase::Aborted { since_ms, .. } => *since_ms = since_ms.saturating_add(by_ms),
        }
    }
}
