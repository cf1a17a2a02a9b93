//! What each page shows, as plain owned values. The server maps its rows to these; nothing here reads a
//! clock, a database or a request.
//!
//! Times are milliseconds since 1970 (`…_ms`), shares go from 0 to 1, identifiers are text that the pages
//! escape. In reading order: [`frame`] surrounds every page, [`common`] holds what several pages share, then
//! one file per page.

mod alerts;
mod common;
mod device;
mod drift;
mod fleet;
mod frame;
mod models;
mod rollouts;
mod words;

pub use alerts::{AlertRow, AlertState, AlertsFilter, AlertsPage};
pub use common::{Command, Decision, DeploymentState, Link, Marker, Series, Tone, Update, Verdict};
pub use device::{DeviceEvent, DevicePage, FeatureRow, Spool, System};
pub use drift::{Bars, DriftCell, DriftCellPage, DriftDevice, DriftPage, Statistic};
pub use fleet::{DeviceRow, DeviceStatus, FleetFilter, FleetPage, Served, StatusCounts};
pub use frame::{ErrorPage, Frame, LoginPage};
pub use models::{
    Confusion, DatasetRow, FeatureInput, JobRow, JobState, MetricRow, ModelPage, ModelRow, ModelsPage, Probe,
    ProbeCheck, Stage, VersionRow,
};
pub use rollouts::{
    GroupHealth, RolloutDevice, RolloutPage, RolloutPhase, RolloutRow, RolloutsPage, WaveState, WaveView,
};
