//! Desired state and records as they count now: in memory, with the disk behind.
//!
//! A state whose work lies ahead is [kept](Ledger::keep) on disk before it counts. An end and a desired state
//! [count at once](Ledger::settle) and are written as soon as the disk takes them: a full disk must not keep a bad
//! model serving, nor a good one from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use dunlin_protocol::{ModelName, message::Desired};

use super::record::{Record, Store};

/// What this device was asked for, and how far it is.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    desired: Option<Desired>,
    desired_unwritten: bool,
    records: BTreeMap<ModelName, Record>,
    unwritten: BTreeSet<ModelName>,
}

impl Ledger {
    /// Reads what is on disk, and says for people what of it is damaged. A damaged desired state counts as none:
    /// the broker keeps it and gives it again.
    pub fn open(data_dir: &Path) -> (Self, Vec<String>) {
        let store = Store::new(data_dir);
        let (records, mut damages) = store.recover();
        let desired = store.desired().unwrap_or_else(|error| {
            damages.push(format!("{error:#}; the broker is asked again"));
            None
        });
        let (desired_unwritten, unwritten) = (false, BTreeSet::new());
        (Self { store, desired, desired_unwritten, records, unwritten }, damages)
    }

    /// The desired state that was read last.
    pub fn desired(&self) -> Option<&Desired> {
        self.desired.as_ref()
    }

    /// Makes a desired state the last one.
    pub fn desire(&mut self, desired: Desired) {
        (self.desired, self.desired_unwritten) = (Some(desired), true);
        self.write_behind();
    }

    /// One record per model name.
    pub fn records(&self) -> &BTreeMap<ModelName, Record> {
        &self.records
    }

    /// The record of a name.
    pub fn get(&self, name: &ModelName) -> Option<&Record> {
        self.records.get(name)
    }

    /// Makes a record count once it is on disk.
    pub fn keep(&mut self, record: Record) -> anyhow::Result<()> {
        self.store.keep(&record)?;
        self.unwritten.remove(&record.model().name);
        self.note(record);
        Ok(())
    }

    /// Makes a record count at once; it is on disk as soon as that takes it.
    pub fn settle(&mut self, record: Record) {
        self.unwritten.insert(record.model().name.clone());
        self.note(record);
        self.write_behind();
    }

    /// Makes a record count in memory only: it says nothing that a restart would miss.
    pub fn note(&mut self, record: Record) {
        self.records.insert(record.model().name.clone(), record);
    }

    /// Forgets a name.
    pub fn forget(&mut self, name: &ModelName) {
        self.records.remove(name);
        self.unwritten.remove(name);
        if let Err(error) = self.store.forget(name) {
            tracing::warn!(model.name = %name, error = %format!("{error:#}"), "an update's record stays on disk");
        }
    }

    /// Writes what the disk has not taken yet; true when nothing is left to write.
    pub fn write_behind(&mut self) -> bool {
        let mut failures = Vec::new();
        if let (true, Some(desired)) = (self.desired_unwritten, &self.desired) {
            match self.store.keep_desired(desired) {
                Ok(()) => self.desired_unwritten = false,
                Err(error) => failures.push(error),
            }
        }
        let (store, records) = (&self.store, &self.records);
        self.unwritten.retain(|name| match records.get(name).map(|record| store.keep(record)) {
            Some(Err(error)) => {
                failures.push(error);
                true
            }
            _ => false,
        });
        for error in &failures {
            tracing::warn!(error = %format!("{error:#}"), "an update's state waits in memory for a place on disk");
        }
        failures.is_empty()
    }
}
