//! What is on disk of updates: `update/desired.json`, and `update/NAME.json` per model name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dunlin_protocol::{
    ModelName, ModelRef, TargetName,
    message::Desired,
    update::{Reason, UpdateReport, UpdateState},
};
use serde::{Deserialize, Serialize};

use crate::durable;

/// Versions that are remembered as refused.
const MAX_REFUSED: usize = 32;

/// One update as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Generation of the desired state that asked for it.
    pub generation: u64,
    /// The rollout it belongs to.
    pub rollout: Option<String>,
    /// The signed target.
    pub target: TargetName,
    /// Where it stands.
    pub state: UpdateState,
    /// When it entered that state, in milliseconds since 1970 by the device's clock.
    pub since_ms: i64,
    /// Attempts of that state's work that failed.
    pub failures: u32,
    /// Process starts in that state.
    pub starts: u32,
    /// SHA-256 of the bundle as signed, once resolved.
    pub sha256: Option<String>,
    /// Length of the bundle as signed, once resolved.
    pub length: Option<u64>,
    /// Versions of this name that failed or were taken back, and why.
    #[serde(default)]
    pub refused: Vec<Refused>,
}

/// A version that failed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The version.
    pub model: ModelRef,
    /// Why it failed.
    pub reason: Reason,
}

impl Record {
    /// A record in its first state; `refused` is carried over from the name's earlier record.
    pub fn new(target: TargetName, state: UpdateState, now_ms: i64, refused: Vec<Refused>) -> Self {
        Self {
            generation: 0,
            rollout: None,
            target,
            state,
            since_ms: now_ms,
            failures: 0,
            starts: 0,
            sha256: None,
            length: None,
            refused,
        }
    }

    /// The model it leads to.
    pub fn model(&self) -> &ModelRef {
        self.target.model()
    }

    /// Enters a state. A bad end is remembered by its first reason: what follows only refers to it.
    pub fn enter(&mut self, state: UpdateState, now_ms: i64) {
        if let UpdateState::Failed(reason) | UpdateState::RolledBack(reason) = &state {
            if !self.refused.iter().any(|refused| refused.model == *self.model()) {
                self.refused.push(Refused { model: self.model().clone(), reason: reason.clone() });
            }
            if self.refused.len() > MAX_REFUSED {
                self.refused.remove(0);
            }
        }
        (self.state, self.since_ms, self.failures, self.starts) = (state, now_ms, 0, 0);
    }

    /// As the device tells it.
    pub fn report(&self, fetched: Option<u64>) -> UpdateReport {
        let bytes = match (&self.state, self.length) {
            (UpdateState::Downloading, Some(length)) => Some([fetched.unwrap_or(0), length]),
            _ => None,
        };
        UpdateReport {
            generation: self.generation,
            rollout: self.rollout.clone(),
            model: self.model().clone(),
            state: self.state.clone(),
            since_ms: self.since_ms,
            bytes,
        }
    }
}

/// The folder of updates.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Below the agent's data folder.
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("update") }
    }

    /// The desired state that was read last.
    pub fn desired(&self) -> anyhow::Result<Option<Desired>> {
        durable::read_json(&self.folder.join("desired.json"))
    }

    /// Keeps a desired state.
    pub fn keep_desired(&self, desired: &Desired) -> anyhow::Result<()> {
        durable::write_json(&self.folder.join("desired.json"), desired)
    }

    /// Every record that can be read.
    pub fn records(&self) -> BTreeMap<ModelName, Record> {
        self.recover().0
    }

    /// Every record, and for people which are damaged: those are left out, the desired state begins them anew.
    pub fn recover(&self) -> (BTreeMap<ModelName, Record>, Vec<String>) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let (mut records, mut damages) = (BTreeMap::new(), Vec::new());
        for path in entries.map(|entry| entry.path()) {
            let stem = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json"));
            let Some(name) = stem.filter(|stem| *stem != "desired").and_then(|stem| stem.parse().ok()) else {
                continue;
            };
            match durable::read_json(&path) {
                Ok(Some(record)) => {
                    records.insert(name, record);
                }
                Ok(None) => {}
                Err(error) => damages.push(format!("{error:#}; that update begins anew")),
            }
        }
        (records, damages)
    }

    /// Keeps a record.
    pub fn keep(&self, record: &Record) -> anyhow::Result<()> {
        durable::write_json(&self.folder.join(format!("{}.json", record.model().name)), record)
    }

    /// Forgets a name's record.
    pub fn forget(&self, name: &ModelName) -> anyhow::Result<()> {
        match fs::remove_file(self.folder.join(format!("{name}.json"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
