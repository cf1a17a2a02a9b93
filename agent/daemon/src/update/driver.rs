//! Carries updates from state to state.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use dunlin_protocol::{
    ModelName,
    message::{Desired, DesiredModel, Severity},
    update::{UpdateReport, UpdateState},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Ledger,
    machine::{self, Next, Progress},
    reconcile::{self, Plan},
    record::Record,
    work::Worker,
};
use crate::{serving::slot::Slots, telemetry::Events};

/// How often shadow and probation are looked at.
const WATCH: Duration = Duration::from_millis(500);

/// The pause after the disk refused something.
const DISK_PAUSE: Duration = Duration::from_secs(5);

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

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drives updates.
pub struct Driver {
    /// Does the work.
    pub worker: Worker,
    /// What was asked for, and how far it is.
    pub ledger: Ledger,
    /// Tells of each step.
    pub events: Events,
    /// What is shown.
    pub updates: Arc<Updates>,
    /// Wakes the link after each step.
    pub changed: Arc<Notify>,
    /// Desired states as they come.
    pub desired: watch::Receiver<Option<Desired>>,
    entered: BTreeMap<ModelName, Instant>,
}

impl Driver {
    /// A driver that goes on from where the ledger stands.
    pub fn new(
        worker: Worker,
        ledger: Ledger,
        events: Events,
        updates: Arc<Updates>,
        changed: Arc<Notify>,
        desired: watch::Receiver<Option<Desired>>,
    ) -> Self {
        let entered = ledger.records().keys().map(|name| (name.clone(), Instant::now())).collect();
        let driver = Self { worker, ledger, events, updates, changed, desired, entered };
        driver.show_all();
        driver
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut reconciled: Option<Instant> = None;
        let every = Duration::from_secs(self.worker.config.reconcile_seconds.max(1));
        loop {
            let came = self.read_desired();
            if came || reconciled.is_none_or(|at| at.elapsed() >= every) {
                reconciled = Some(Instant::now());
                self.reconcile();
            }
            let written = self.ledger.write_behind() & self.worker.shelf.write_behind();
            let mut pause = if written { every } else { every.min(DISK_PAUSE) };
            let active: Vec<ModelName> = self.active();
            for name in active {
                let mut desired = self.desired.clone();
                tokio::select! {
                    () = stop.cancelled() => break,
                    // A new wish may end this work; downloads go on where they stopped.
                    _ = desired.changed() => pause = Duration::ZERO,
                    wait = self.advance(&name) => pause = pause.min(wait),
                }
            }
            tokio::select! {
                () = stop.cancelled() => return self.stopped_cleanly(),
                changed = self.desired.changed() => if changed.is_err() { return self.stopped_cleanly() },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn active(&self) -> Vec<ModelName> {
        let active = self.ledger.records().iter().filter(|(_, record)| !record.state.is_final());
        active.map(|(name, _)| name.clone()).collect()
    }

    /// A clean stop is no crash: this start is not counted.
    fn stopped_cleanly(mut self) {
        for name in self.active() {
            let Some(mut record) = self.ledger.get(&name).cloned() else { continue };
            record.starts = record.starts.saturating_sub(1);
            self.ledger.settle(record);
        }
    }

    fn read_desired(&mut self) -> bool {
        let Some(offered) = self.desired.borrow_and_update().clone() else { return false };
        let last = self.ledger.desired();
        if last == Some(&offered) {
            return false;
        }
        if !reconcile::accepts(last, &offered) {
            let last = last.map_or(0, |last| last.generation);
            tracing::warn!(offered = offered.generation, last, "an older desired state was refused");
            return false;
        }
        tracing::info!(generation = offered.generation, models = offered.models.len(), "desired state read");
        self.ledger.desire(offered);
        self.show_all();
        true
    }

    fn reconcile(&mut self) {
        let Some(desired) = self.ledger.desired().cloned() else { return };
        let shelf = &self.worker.shelf;
        // A slot whose bundle could not be loaded does not answer, whatever it says.
        let slots: BTreeMap<ModelName, Slots> = shelf
            .names()
            .into_iter()
            .filter(|name| self.worker.models.get(name.as_str()).is_some())
            .map(|name| (name.clone(), shelf.get(&name)))
            .collect();
        for plan in reconcile::plan(&desired, self.ledger.records(), &slots) {
            if let Err(error) = self.carry_out(plan, desired.generation) {
                tracing::error!(error = %format!("{error:#}"), "a plan could not be carried out");
            }
        }
    }

    fn carry_out(&mut self, plan: Plan, generation: u64) -> anyhow::Result<()> {
        match plan {
            Plan::Begin(wanted) => self.start(wanted, generation, UpdateState::Resolving),
            Plan::AlreadyInstalled(wanted) => self.start(wanted, generation, UpdateState::Committed),
            Plan::Refuse(wanted, reason) => self.start(wanted, generation, UpdateState::Failed(reason)),
            Plan::Adopt(wanted) => {
                let name = &wanted.target.model().name;
                let Some(mut record) = self.ledger.get(name).cloned() else { return Ok(()) };
                (record.generation, record.rollout) = (generation, wanted.rollout);
                self.ledger.settle(record);
                self.show_all();
                Ok(())
            }
            Plan::Retire(name) => {
                self.retire(&name);
                Ok(())
            }
        }
    }

    fn start(&mut self, wanted: DesiredModel, generation: u64, state: UpdateState) -> anyhow::Result<()> {
        let name = wanted.target.model().name.clone();
        let mut refused = self.ledger.get(&name).map(|record| record.refused.clone()).unwrap_or_default();
        if wanted.again {
            refused.retain(|refused| refused.model != *wanted.target.model());
        }
        let mut record = Record::new(wanted.target, UpdateState::Idle, self.worker.clock.now_ms(), refused);
        (record.generation, record.rollout) = (generation, wanted.rollout);
        self.worker.tested = None;
        self.worker.models.challenge(&name, None);
        self.ledger.note(record);
        self.enter(&name, state)
    }

    fn retire(&mut self, name: &ModelName) {
        let mut slots = self.worker.shelf.get(name);
        if let Some(current) = slots.current.take() {
            if slots.proven || slots.previous.is_none() {
                slots.previous = Some(current);
            }
            slots.proven = true;
            self.worker.shelf.settle(name, slots);
        }
        self.worker.models.challenge(name, None);
        self.worker.models.remove(name);
        self.ledger.forget(name);
        self.events.tell(
            "model-retired",
            Severity::Info,
            format!("{name} is no longer asked for and stopped"),
        );
        self.show_all();
    }

    /// Works on one update until it ends or has to wait; returns how long.
    async fn advance(&mut self, name: &ModelName) -> Duration {
        loop {
            let Some(mut record) = self.ledger.get(name).cloned() else { return WATCH };
            if record.state.is_final() {
                return WATCH;
            }
            let (updates, changed) = (self.updates.clone(), self.changed.clone());
            let mut told = Instant::now();
            let fetched = |bytes: u64| {
                if let Some(report) = updates.lock().reports.get_mut(name)
                    && let Some([so_far, _]) = &mut report.bytes
                {
                    *so_far = bytes;
                }
                if told.elapsed() > Duration::from_secs(1) {
                    told = Instant::now();
                    changed.notify_one();
                }
            };
            let event = self.worker.work(&mut record, fetched).await;
            self.ledger.note(record.clone());
            let elapsed = self.entered.get(name).map_or(Duration::ZERO, Instant::elapsed);
            let progress = Progress { elapsed, failures: record.failures, starts: record.starts };
            let entered = match machine::next(&record.state, progress, &event, &self.worker.config) {
                Next::Enter(state) => self.enter(name, state),
                Next::Retry(pause) => {
                    tracing::warn!(model = %record.model(), state = record.state.name(), ?event, ?pause, "again later");
                    record.failures += 1;
                    self.ledger.note(record);
                    return pause;
                }
                Next::Stay => return WATCH,
                Next::Illegal => {
                    tracing::error!(model = %record.model(), state = record.state.name(), ?event,
                        "an impossible transition was refused");
                    return Duration::from_secs(5);
                }
            };
            if let Err(error) = entered {
                tracing::error!(error = %format!("{error:#}"), "the next state could not be recorded; trying again");
                return DISK_PAUSE;
            }
        }
    }

    /// Writes the state down, then tells of it; its work comes after. An end needs no work and no disk.
    fn enter(&mut self, name: &ModelName, state: UpdateState) -> anyhow::Result<()> {
        let Some(record) = self.ledger.get(name) else { return Ok(()) };
        let mut record = record.clone();
        record.enter(state, self.worker.clock.now_ms());
        if record.state.is_final() {
            self.ledger.settle(record.clone());
        } else {
            self.ledger.keep(record.clone())?;
        }
        self.entered.insert(name.clone(), Instant::now());
        if record.state.is_final()
            && let Err(error) = self.worker.settle(&record)
        {
            tracing::error!(error = %format!("{error:#}"), "the end of an update could not be settled");
        }
        self.show_all();
        let severity = match record.state {
            UpdateState::Failed(_) | UpdateState::RolledBack(_) => Severity::Warning,
            _ => Severity::Info,
        };
        self.events.tell_update(severity, record.report(None));
        Ok(())
    }

    fn show_all(&self) {
        let mut shown = self.updates.lock();
        shown.generation = self.ledger.desired().map_or(0, |last| last.generation);
        shown.reports =
            self.ledger.records().iter().map(|(name, record)| (name.clone(), record.report(None))).collect();
        drop(shown);
        self.changed.notify_one();
    }
}
