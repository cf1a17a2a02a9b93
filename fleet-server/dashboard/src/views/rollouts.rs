//! `/rollouts` and `/rollouts/{id}`.

use super::{Command, DeploymentState, Frame, Marker, Series};

/// `/rollouts`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RolloutsPage {
    /// Heading and navigation.
    pub frame: Frame,
    /// Rollouts, newest first.
    pub rollouts: Vec<RolloutRow>,
    /// Releases that could be rolled out, by full name: stands in the command of an empty page.
    pub releases: Vec<String>,
}

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RolloutPhase {
    /// Planned, not begun.
    #[default]
    Planned,
    /// Devices take the model.
    Running,
    /// The wave is installed and watched.
    Soaking,
    /// A person paused it, or a gate could not decide.
    Paused,
    /// Stopped; devices go back.
    RollingBack,
    /// All went well.
    Succeeded,
    /// Stopped, all devices are back.
    RolledBack,
    /// A person ended it.
    Aborted,
}

/// One rollout in a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RolloutRow {
    /// Its id.
    pub id: String,
    /// What is rolled out, by full name.
    pub model: String,
    /// Where it stands.
    pub phase: RolloutPhase,
    /// One sentence why it stands there.
    pub reason: Option<String>,
    /// The wave at work, counted from 1, and how many there are.
    pub wave: (usize, usize),
    /// Devices that serve it through this rollout.
    pub done: usize,
    /// Devices that failed or took it back.
    pub failed: usize,
    /// All devices it is meant for.
    pub total: usize,
    /// When it began.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
}

/// `/rollouts/{id}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RolloutPage {
    /// Heading and navigation.
    pub frame: Frame,
    /// What the list shows of it.
    pub rollout: RolloutRow,
    /// The waves in order.
    pub waves: Vec<WaveView>,
    /// Devices with their place.
    pub devices: Vec<RolloutDevice>,
    /// Devices that keep the old model.
    pub control: Option<GroupHealth>,
    /// Devices that took the new one.
    pub treatment: Option<GroupHealth>,
    /// What stops it, in words: `more than 5 % failed updates`, `errors 2 points above control`.
    pub gates: Vec<String>,
    /// Error ratio over time, of control and treatment.
    pub errors: Vec<Series>,
    /// Starts of waves, marked on the time axis.
    pub markers: Vec<Marker>,
    /// What can be done now: two sensible actions when halted.
    pub commands: Vec<Command>,
}

/// Where a wave stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaveState {
    /// Not begun.
    #[default]
    Waiting,
    /// Devices take the model.
    Running,
    /// Installed and watched.
    Soaking,
    /// Passed its gate.
    Passed,
    /// Failed its gate.
    Failed,
    /// Never begun, since the rollout ended before.
    Skipped,
}

/// One wave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WaveView {
    /// Share of the fleet that has the model when this wave is through, in percent.
    pub percent: f64,
    /// Devices that this wave adds.
    pub devices: usize,
    /// Of those, serving it.
    pub success: usize,
    /// Of those, failed or gone back.
    pub failure: usize,
    /// Of those, downloading or installing.
    pub working: usize,
    /// Where it stands.
    pub state: WaveState,
    /// How long it is watched, seconds.
    pub soak_seconds: u64,
    /// When it began.
    pub started_ms: Option<i64>,
    /// What its gate says, one sentence.
    pub verdict: Option<String>,
}

/// One device of a rollout.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RolloutDevice {
    /// Its name.
    pub id: String,
    /// Its wave, counted from 1; 0 is the control group that stays.
    pub wave: usize,
    /// Where it stands.
    pub state: DeploymentState,
    /// The device's own word for it (`SelfTest`, `Probation`), or why it failed.
    pub detail: String,
    /// When it came to stand there.
    pub since_ms: Option<i64>,
}

/// How a group of devices does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GroupHealth {
    /// Devices that reported.
    pub devices: usize,
    /// Inferences.
    pub inferences: u64,
    /// Inferences that failed.
    pub failures: u64,
    /// Share of wrong answers, by labels that came in.
    pub error_ratio: Option<f64>,
    /// 99th percentile of latency, microseconds.
    pub latency_p99_us: Option<f64>,
    /// Mean confidence of the answers.
    pub confidence: Option<f64>,
}
