//! Waves, gates, control group and going back. Values in, values out: no clock, no I/O, no randomness.
//!
//! ```text
//! Planned ─► Wave 1 ─► Soaking 1 ─► Wave 2 ─► … ─► Soaking n ─► Completed
//!    │          └──────────┴────────────┴── a gate fails ──┘
//!    ▼                     ▼
//! Aborted             GoingBack ─► RolledBack        (Paused holds whatever it was)
//! ```
//!
//! In reading order: [`waves`] are data; [`place`] says which devices a wave holds; [`state`] is what is
//! stored; [`watch`] counts the time of a phase; [`health`] sums what windows say of the control group and of the
//! devices with the new model; [`noise`] says whether a difference is more than chance; [`gate`] judges; [`progress`]
//! reads how far devices are; [`decide`] is the one step; [`plan`] is the same for people, before it runs.
//!
//! What it does not do: it sends nothing and stores nothing. The server calls [`decide()`] on a timer and on
//! news, stores the next [`Rollout`] and writes the desired states. Only the latest rollout of a model name
//! may be decided on; an earlier one that has ended would take devices back from the later one.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod decide;
pub mod gate;
pub mod health;
pub mod noise;
pub mod place;
pub mod plan;
pub mod progress;
pub mod state;
pub mod watch;
pub mod waves;

pub use decide::{Decision, abort, decide, pause, resume};
pub use gate::{Harm, Judgement};
pub use health::{Group, Health};
pub use plan::{PlannedWave, explain, plan};
pub use progress::{DeviceProgress, DeviceView, progress};
pub use state::{Phase, Rollout, RolloutError};
pub use watch::Watch;
pub use waves::{Wave, Waves, WavesError};
