//! Settings of the registry: the probe.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[probe]` in `server.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The `dunlin-agent` that judges bundles; without it, the one beside this program.
    pub agent: Option<PathBuf>,
    /// Seconds after which a probe is killed.
    pub limit_seconds: u64,
    /// Address space a probe may have, bytes.
    pub memory_limit_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { agent: None, limit_seconds: 120, memory_limit_bytes: 4 << 30 }
    }
}
