//! Model updates: from a desired state to a committed model, or back.
//!
//! ```text
//! Idle ─► Resolving ─► Downloading ─► Verifying ─► Staging ─► SelfTest ─► Shadow ─► Activating ─► Probation ─► Committed
//!             └─ it is here already ─────►│             └──────────────┴─► Failed │        └─────────┴─► RolledBack
//! ```
//! Each next state is on disk before its work begins; each state has a deadline and a budget of attempts and of
//! process starts, so that every update ends. An older generation of desired state is refused; a version that failed
//! or was taken back is not tried again unless asked for.
//! Does not know MQTT. Modules: [`machine`] and [`reconcile`] decide; [`record`] is what is on disk, [`ledger`] what
//! counts of it, [`shown`] what is seen of it; [`start`] counts starts against updates; [`work`] does one state's work, with [`trial`]
//! in a process apart; [`jobs`] runs it beside that of other names; [`driver`] joins them.

pub mod driver;
pub mod jobs;
pub mod ledger;
pub mod machine;
pub mod reconcile;
pub mod record;
pub mod shown;
pub mod start;
pub mod trial;
pub mod work;

use serde::{Deserialize, Serialize};

pub use driver::Driver;
pub use ledger::Ledger;
pub use shown::Updates;

/// Configuration of updates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a new model runs beside the serving one before it serves, in seconds.
    pub shadow_seconds: u64,
    /// How long a new model is watched while it serves, in seconds.
    pub probation_seconds: u64,
    /// Share of failed runs above which a model is taken back, 0 to 1.
    pub max_failure_ratio: f64,
    /// Failed runs below which that share says nothing.
    pub min_failures: u64,
    /// Longest time for look-up and download together with their retries, each, in seconds.
    pub fetch_deadline_seconds: u64,
    /// Longest time for verifying, staging and self-test, each, in seconds.
    pub work_deadline_seconds: u64,
    /// The desired state is compared with what runs at least this often, in seconds.
    pub reconcile_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shadow_seconds: 0,
            probation_seconds: 300,
            max_failure_ratio: 0.05,
            min_failures: 5,
            fetch_deadline_seconds: 3600,
            work_deadline_seconds: 120,
            reconcile_seconds: 300,
        }
    }
}
