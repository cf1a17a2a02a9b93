//! Windows and events: what passed and what happened, as records in the spool.
//!
//! Does not count (the runtime's observer does) and does not send (the link does).
//! Modules: [`window`] closes windows; [`events`] records what happened.

pub mod events;
pub mod window;

use serde::{Deserialize, Serialize};

pub use events::Events;
pub use window::Windows;

/// Configuration of telemetry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Length of a window, in seconds.
    pub window_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { window_seconds: 60 }
    }
}
