//! The MQTT connection: a pipe behind the spool.
//!
//! ```text
//! Down ─(back-off over)─► Connecting ─CONNACK─► Up: state, subscriptions, everything unacknowledged in order
//!   ▲                                            │
//!   └──────────── error, refusal, bad weather ───┘
//! ```
//! A new client for every connection; at most [`flight::WINDOW`] records in flight; a record leaves the spool on its
//! own PUBACK with a success code. One task owns client and event loop and never waits for a publish inside the poll.
//! Does not decide what is reported or desired: it hands over and fetches.
//! Modules: [`backoff`] and [`flight`] decide; [`connection`] is one connection; [`task`] keeps making new ones.

pub mod backoff;
pub mod connection;
pub mod flight;
pub mod task;

use std::sync::{Mutex, PoisonError};

use dunlin_protocol::message::{Command, Desired, Reply, State};
use serde::{Deserialize, Serialize};

/// Configuration of the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seconds between pings; the broker says offline after one and a half of them without a word.
    pub keep_alive_seconds: u16,
    /// Longest pause between two attempts, in seconds.
    pub backoff_max_seconds: u64,
    /// The state is published anew after this many seconds without a change.
    pub report_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { keep_alive_seconds: 30, backoff_max_seconds: 60, report_seconds: 60 }
    }
}

/// What the link asks of the rest of the agent. Called between polls: must not block.
pub trait Agent: Send + Sync + 'static {
    /// The state to report now.
    fn state(&self) -> State;
    /// A desired state came.
    fn desired(&self, desired: Desired);
    /// A command came.
    fn command(&self, command: Command) -> Reply;
}

/// How the link stands, for status and metrics.
#[derive(Debug, Default)]
pub struct Health(Mutex<LinkReport>);

/// How the link stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LinkReport {
    /// Whether the broker hears us.
    pub connected: bool,
    /// Since when, in milliseconds since 1970 by the device's clock.
    pub since_ms: i64,
    /// Why the last connection ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Connections made since the start.
    pub connections: u64,
    /// Records acknowledged since the start.
    pub delivered: u64,
}

impl Health {
    /// How it stands.
    pub fn report(&self) -> LinkReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut LinkReport)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
