//! `/`: who is here, what needs a decision.

use super::{Decision, Frame, Update};

/// `/`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FleetPage {
    /// Heading and navigation.
    pub frame: Frame,
    /// Devices by status, of the whole fleet, whatever the filter.
    pub counts: StatusCounts,
    /// Sentences of the drift room, the most important first: `dew_point_f drifts on 6 of 24 stations since
    /// 14:02; the others agree with the reference`. The first goes into the page's first line.
    pub sentences: Vec<String>,
    /// What waits for a person.
    pub decisions: Vec<Decision>,
    /// Devices that pass the filter, one page of them.
    pub devices: Vec<DeviceRow>,
    /// How many pass the filter on all pages.
    pub matching: usize,
    /// What is filtered by; stands in the URL.
    pub filter: FleetFilter,
    /// Models by full name (`rain-1.1.0`), to filter by.
    pub models: Vec<String>,
    /// The `after` value of the next page of devices, if there is one.
    pub next_after: Option<String>,
}

/// Devices by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusCounts {
    /// Connected and reporting.
    pub online: usize,
    /// Connected, but no report for too long.
    pub stale: usize,
    /// Not connected.
    pub offline: usize,
    /// Enrolled, never seen.
    pub enrolled: usize,
    /// Shut out.
    pub revoked: usize,
}

/// Whether a device is here. The URL's words are [`DeviceStatus::as_str`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceStatus {
    /// Connected and reporting.
    Online,
    /// Connected, but no report for too long.
    Stale,
    /// Not connected.
    Offline,
    /// Enrolled, never seen.
    #[default]
    Enrolled,
    /// Shut out.
    Revoked,
}

/// What the list of devices is filtered by: the query `?status=&model=&q=`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetFilter {
    /// Only this status.
    pub status: Option<DeviceStatus>,
    /// Only devices that serve this model, by full name.
    pub model: Option<String>,
    /// Only devices with this text in their name.
    pub text: Option<String>,
}

/// One device in a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceRow {
    /// The device's name.
    pub id: String,
    /// Whether it is here.
    pub status: DeviceStatus,
    /// Last sign of life, by the server's clock.
    pub last_seen_ms: Option<i64>,
    /// What it reports to serve.
    pub serving: Vec<Served>,
    /// The update that runs or ended last.
    pub update: Option<Update>,
    /// The agent's version.
    pub agent: String,
    /// The modes it reports: `simulated`, `no-clock`, `read-only-root`, …
    pub modes: Vec<String>,
    /// Inferences per window, oldest first; `None` where no window came.
    pub inferences: Vec<Option<f64>>,
    /// Features that drift on this device now.
    pub drifting: Vec<String>,
    /// Sensors that are faulty on this device now.
    pub faulty: Vec<String>,
    /// Records that wait on the device for a link.
    pub spooled: u64,
}

/// A model that a device serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// Model name, for example `rain`.
    pub name: String,
    /// Version, for example `1.1.0`.
    pub version: String,
    /// False while its golden vectors come from no other runtime ("numbers not compared").
    pub compared: bool,
}

impl DeviceStatus {
    /// All, in the order they are shown.
    pub const ALL: [DeviceStatus; 5] = [
        DeviceStatus::Online,
        DeviceStatus::Stale,
        DeviceStatus::Offline,
        DeviceStatus::Enrolled,
        DeviceStatus::Revoked,
    ];

    /// The word in pages, URLs and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            DeviceStatus::Online => "online",
            DeviceStatus::Stale => "stale",
            DeviceStatus::Offline => "offline",
            DeviceStatus::Enrolled => "enrolled",
            DeviceStatus::Revoked => "revoked",
        }
    }
}

impl StatusCounts {
    /// Devices that belong to the fleet: all but the revoked ones.
    pub fn total(&self) -> usize {
        self.online + self.stale + self.offline + self.enrolled
    }

    /// The count of one status.
    pub fn of(&self, status: DeviceStatus) -> usize {
        match status {
            DeviceStatus::Online => self.online,
            DeviceStatus::Stale => self.stale,
            DeviceStatus::Offline => self.offline,
            DeviceStatus::Enrolled => self.enrolled,
            DeviceStatus::Revoked => self.revoked,
        }
    }
}
