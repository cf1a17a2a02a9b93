//! `/alerts?state=`.

use super::{Frame, Tone};

/// `/alerts?state=open|all`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlertsPage {
    /// Heading and navigation.
    pub frame: Frame,
    /// Alerts that pass the filter, newest first.
    pub alerts: Vec<AlertRow>,
    /// What is filtered by.
    pub filter: AlertsFilter,
}

/// What alerts are filtered by: the query `?state=&kind=`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertsFilter {
    /// True for closed ones too (`state=all`).
    pub all: bool,
    /// Only this kind.
    pub kind: Option<String>,
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AlertState {
    /// Nobody acknowledged it.
    #[default]
    Open,
    /// Somebody knows.
    Acknowledged,
    /// Gone by itself.
    Closed,
}

/// One alert.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlertRow {
    /// Its id; stands in `/api/v1/alerts/{id}/acknowledge`.
    pub id: String,
    /// What kind: `drift`, `sensor-fault`, `accuracy`, `device-offline`, …
    pub kind: String,
    /// How pressing.
    pub tone: Tone,
    /// Model name.
    pub model: Option<String>,
    /// Feature name.
    pub feature: Option<String>,
    /// Device name.
    pub device: Option<String>,
    /// Since when.
    pub since_ms: i64,
    /// When it was last seen to hold.
    pub last_ms: i64,
    /// One sentence.
    pub message: String,
    /// Where it stands.
    pub state: AlertState,
}
