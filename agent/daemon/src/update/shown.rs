//! Updates as they stand, for whoever shows them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use dunlin_protocol::{ModelName, update::UpdateReport};

use super::Ledger;

/// Updates as they stand, for the state report.
#[derive(Debug, Default)]
pub struct Updates(Mutex<Shown>);

#[derive(Debug, Default)]
struct Shown {
    generation: u64,
    reports: BTreeMap<ModelName, UpdateReport>,
}

impl Updates {
    /// Latest generation that was read, and one report per model name.
    pub fn report(&self) -> (u64, Vec<UpdateReport>) {
        let shown = self.lock();
        (shown.generation, shown.reports.values().cloned().collect())
    }

    /// Shows what the ledger says; what a download has fetched so far stays.
    pub fn show(&self, ledger: &Ledger) {
        let mut shown = self.lock();
        shown.generation = ledger.desired().map_or(0, |last| last.generation);
        let before = std::mem::take(&mut shown.reports);
        let report = |(name, record): (&ModelName, &super::record::Record)| {
            let same = before.get(name).filter(|report| report.model == *record.model());
            let fetched = same.and_then(|report| report.bytes).map(|[fetched, _]| fetched);
            (name.clone(), record.report(fetched))
        };
        shown.reports = ledger.records().iter().map(report).collect();
    }

    /// Shows how many bytes of a download are there.
    pub fn fetched(&self, name: &ModelName, bytes: u64) {
        if let Some(report) = self.lock().reports.get_mut(name)
            && let Some([so_far, _]) = &mut report.bytes
        {
            *so_far = bytes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
