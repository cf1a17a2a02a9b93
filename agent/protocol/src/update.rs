//! The steps of a model update, as devices report and the fleet server shows them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::ModelRef;

/// Why an update ended without its model being committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// A stable word to count and filter by, for example `signature`, `golden`, `disk-full`, `latency`.
    pub code: String,
    /// The same for people: what failed, with which value, and what to do.
    pub message: String,
}

impl Reason {
    /// A reason with its stable code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

/// Where an update stands. The next state is on disk before its work begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateState {
    /// Nothing to do.
    Idle,
    /// Looking the target up in signed metadata.
    Resolving,
    /// Fetching the bundle.
    Downloading,
    /// Comparing length and hash with the signed ones, reading the bundle.
    Verifying,
    /// Writing the bundle into the free slot.
    Staging,
    /// Loading it and running its golden vectors.
    SelfTest,
    /// Running beside the serving model on the same inputs.
    Shadow,
    /// Making it the serving model.
    Activating,
    /// Serving, watched, able to go back by itself.
    Probation,
    /// The new last-known-good.
    Committed,
    /// It served and was taken back.
    RolledBack(Reason),
    /// It never served.
    Failed(Reason),
}

impl UpdateState {
    /// The state's name in the contract.
    pub fn name(&self) -> &'static str {
        match self {
            UpdateState::Idle => "Idle",
            UpdateState::Resolving => "Resolving",
            UpdateState::Downloading => "Downloading",
            UpdateState::Verifying => "Verifying",
            UpdateState::Staging => "Staging",
            UpdateState::SelfTest => "SelfTest",
            UpdateState::Shadow => "Shadow",
            UpdateState::Activating => "Activating",
            UpdateState::Probation => "Probation",
            UpdateState::Committed => "Committed",
            UpdateState::RolledBack(_) => "RolledBack",
            UpdateState::Failed(_) => "Failed",
        }
    }

    /// True where nothing more will happen by itself.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            UpdateState::Idle | UpdateState::Committed | UpdateState::RolledBack(_) | UpdateState::Failed(_)
        )
    }
}

/// One update as the device tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateReport {
    /// Generation of the desired state that asked for it.
    pub generation: u64,
    /// The rollout it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The model it leads to.
    pub model: ModelRef,
    /// Where it stands.
    pub state: UpdateState,
    /// When it entered that state, in milliseconds since 1970 by the device's clock.
    pub since_ms: i64,
    /// Bytes fetched and to fetch, while downloading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<[u64; 2]>,
}
