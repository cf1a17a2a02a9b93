//! `/devices/{id}`: one device, what it runs, how it does.

use super::{Command, DeviceRow, Frame, Marker, Series, Update, Verdict};

/// `/devices/{id}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DevicePage {
    /// Heading and navigation.
    pub frame: Frame,
    /// What the list shows of it.
    pub device: DeviceRow,
    /// When it enrolled.
    pub enrolled_ms: i64,
    /// Four fingerprint words of its key.
    pub words: Vec<String>,
    /// How far its clock can be believed, in words; `None` before its first report.
    pub clock: Option<String>,
    /// What it should serve, by full name.
    pub desired: Vec<String>,
    /// Newest generation of its desired state, and the one it reports to have read.
    pub generation: (u64, u64),
    /// All updates it reports, newest first.
    pub updates: Vec<Update>,
    /// The board.
    pub system: Option<System>,
    /// Records that wait for the link.
    pub spool: Option<Spool>,
    /// Features of the model it serves.
    pub features: Vec<FeatureRow>,
    /// Inferences per minute.
    pub inferences: Series,
    /// Latency in microseconds: a line for p50, one for p99.
    pub latency: Vec<Series>,
    /// Share of each answered class over time, in the order of labels. Empty for a regression.
    pub classes: Vec<Series>,
    /// Rollouts and restarts, marked on every time axis.
    pub markers: Vec<Marker>,
    /// What happened, newest first.
    pub events: Vec<DeviceEvent>,
    /// What can be asked of it: ping, report, revoke.
    pub commands: Vec<Command>,
}

/// The board of a device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct System {
    /// Share of all processors in use.
    pub cpu: f32,
    /// Memory of the board in use, bytes.
    pub memory_used_bytes: u64,
    /// Memory of the board, bytes.
    pub memory_total_bytes: u64,
    /// Resident memory of the agent, bytes.
    pub agent_bytes: u64,
    /// Free space where the agent keeps its data, bytes.
    pub disk_free_bytes: u64,
    /// Hottest sensor, degrees Celsius.
    pub temperature_c: Option<f32>,
    /// Seconds since the board started.
    pub uptime_seconds: u64,
    /// Processor architecture.
    pub architecture: String,
    /// Operating system and version.
    pub system: String,
}

/// A device's queue of unacknowledged records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spool {
    /// Records kept.
    pub records: u64,
    /// Bytes kept.
    pub bytes: u64,
    /// Bytes allowed.
    pub limit_bytes: u64,
    /// Records merged or dropped since enrolment.
    pub dropped: u64,
}

/// One feature as it looks on one device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeatureRow {
    /// Model and feature make the link to the distribution: the model's name without version.
    pub model: String,
    /// Feature name.
    pub name: String,
    /// Physical unit.
    pub unit: Option<String>,
    /// What the statistics say.
    pub verdict: Verdict,
    /// Population stability index of the latest window that had enough values.
    pub psi: Option<f64>,
    /// The limit it is held against.
    pub limit: Option<f64>,
    /// Values in the latest window.
    pub n: u64,
    /// Share of missing values in the latest window.
    pub missing: f64,
    /// Mean of the latest window.
    pub mean: Option<f64>,
    /// Smallest value of the latest window.
    pub min: Option<f64>,
    /// Largest value of the latest window.
    pub max: Option<f64>,
    /// Window means, oldest first; `None` is a gap.
    pub trend: Vec<Option<f64>>,
}

/// Something that happened on a device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceEvent {
    /// When, by the device's clock.
    pub at_ms: i64,
    /// How much it matters.
    pub tone: super::Tone,
    /// The stable word for it.
    pub code: String,
    /// One sentence.
    pub message: String,
}
