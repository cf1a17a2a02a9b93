//! Watches windows for drift, broken sensors, lost accuracy and silent devices.
//!
//! ```text
//! windows in the order of arrival ─► board (in memory, per model and device) ─► dunlin_monitoring (pure)
//!                                        └─► cells of the heat map               └─► alerts (stored)
//! ```
//! The board is a view of the windows of the last days: at start it is built anew from them, so nothing of it needs
//! to be kept. What a finding means is decided by `dunlin_monitoring`; this room brings the values together.
//!
//! Reading order: [`timeline`] (columns of the heat map), [`history`] (windows of a device), [`board`], [`cells`], [`findings`], [`rows`] (alerts),
//! [`driver`].

pub mod board;
pub mod cells;
pub mod driver;
pub mod findings;
pub mod history;
pub mod rows;
pub mod timeline;

pub use cells::{Cell, Drift};
pub use driver::Monitoring;
pub use rows::AlertRow;

#[cfg(test)]
mod tests;
