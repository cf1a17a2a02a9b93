//! Drift, sensor faults, accuracy and alerts from window statistics. Values in, values out: no clock, no I/O,
//! no randomness.
//!
//! In reading order: [`policy`] holds the limits; [`chance`] the probability distributions behind them;
//! [`fault`] says when a sensor is broken, [`assess`] what one feature of one window says, [`device`] what a
//! device's windows say together, [`fleet`] whether it is one device or all; [`accuracy`] judges late labels;
//! [`alert`] opens and closes alerts.
//!
//! What it does not do: it keeps no history and sends nothing. The server gives it the windows of the period
//! that it looks at, and stores what comes back.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod accuracy;
pub mod alert;
pub mod assess;
pub mod chance;
pub mod device;
pub mod fault;
pub mod fleet;
pub mod policy;

pub use accuracy::{Accuracy, accuracy};
pub use alert::{Alert, AlertChange, AlertState, Finding, Severity, alerts};
pub use assess::{Assessment, Verdict, assess};
pub use device::{FeatureTimeline, Judged, Span, assess_device, merge_until_enough};
pub use fault::Fault;
pub use fleet::{DeviceVerdict, FleetFinding, fleet};
pub use policy::Policy;
