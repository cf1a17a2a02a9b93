//! Carries updates from state to state.

use std::{
    collections::BTreeMap,
    path::Path,
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
    machine::{self, Event, Next, Progress},
    reconcile::{self, Plan},
    record::{Record, Store},
    work::{Worker, settle_slots},
};
use crate::{
    clock::Clock,
    serving::slot::{Folder, Slots},
    telemetry::Events,
};

/// How often shadow and probation are looked at.
const WATCH: Duration = Duration::from_millis(500);

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

/// Counts this start against every update that is under way, before any model is loaded: a model whose loading ends
/// the process is taken back by this. Returns what ended by it.
pub fn count_start(
    data_dir: &Path,
    clock: &dyn Clock,
    config: &super::Config,
) -> anyhow::Result<Vec<Record>> {
    let store = Store::new(data_dir);
    let mut ended = Vec::new();
    for mut record in store.records().into_values() {
        if !record.state.is_final() {
            record.starts += 1;
            let progress =
                Progress { elapsed: Duration::ZERO, failures: record.failures, starts: record.starts };
            let next = machine::next(&record.state, progress, &Event::Restarted, config);
            if let Next::Enter(state) = next {
                record.enter(state, clock.now_ms());
                ended.push(record.clone());
            }
            store.keep(&record)?;
        }
        let folder = Folder::new(data_dir, &record.model().name);
        let mut slots = folder.read()?;
        if settle_slots(&record, &mut slots) {
            folder.write(&slots)?;
        }
    }
    Ok(ended)
}

/// Drives updates.
pub struct Driver {
    /// Does the work.
    pub worker: Worker,
    /// What is on disk.
    pub store: Store,
    /// Tells of each step.
    pub events: Events,
    /// What is shown.
    pub updates: Arc<Updates>,
    /// Wakes the link after each step.
    pub changed: Arc<Notify>,
    /// Desired states as they come.
    pub desired: watch::Receiver<Option<Desired>>,
    records: BTreeMap<ModelName, Record>,
    entered: BTreeMap<ModelName, Instant>,
    last: Option<Desired>,
}

impl Driver {
    /// A driver that goes on from what is on disk.
    pub fn new(
        worker: Worker,
        events: Events,
        updates: Arc<Updates>,
        changed: Arc<Notify>,
        desired: watch::Receiver<Option<Desired>>,
    ) -> anyhow::Result<Self> {
        let store = Store::new(&worker.data_dir);
        let (records, last) = (store.records(), store.desired()?);
        let entered = records.keys().map(|name| (name.clone(), Instant::now())).collect();
        let driver = Self { worker, store, events, updates, changed, desired, records, entered, last };
        driver.show_all();
        Ok(driver)
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
            let mut pause = every;
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
        let active = self.records.iter().filter(|(_, record)| !record.state.is_final());
        active.map(|(name, _)| name.clone()).collect()
    }

    /// A clean stop is no crash: this start is not counted.
    fn stopped_cleanly(mut self) {
        for record in self.records.values_mut().filter(|record| !record.state.is_final()) {
            record.starts = record.starts.saturating_sub(1);
            if let Err(error) = self.store.keep(record) {
                tracing::warn!(error = %format!("{error:#}"), "a clean stop could not be recorded");
            }
        }
    }

    fn read_desired(&mut self) -> bool {
        let Some(offered) = self.desired.borrow_and_update().clone() else { return false };
        if self.last.as_ref() == Some(&offered) {
            return false;
        }
        if !reconcile::accepts(self.last.as_ref(), &offered) {
            let last = self.last.as_ref().map_or(0, |last| last.generation);
            tracing::warn!(offered = offered.generation, last, "an older desired state was refused");
            return false;
        }
        if let Err(error) = self.store.keep_desired(&offered) {
            tracing::error!(error = %format!("{error:#}"), "the desired state could not be kept");
            return false;
        }
        tracing::info!(generation = offered.generation, models = offered.models.len(), "desired state read");
        self.last = Some(offered);
        self.show_all();
        true
    }

    fn reconcile(&mut self) {
        let Some(desired) = self.last.clone() else { return };
        let data_dir = &self.worker.data_dir;
        let read = |name: ModelName| {
            let slots = Folder::new(data_dir, &name).read();
            Some((name, slots.map_err(|error| tracing::error!("{error:#}")).ok()?))
        };
        let mut slots: BTreeMap<ModelName, Slots> =
            Folder::names(data_dir).into_iter().filter_map(read).collect();
        // A slot whose bundle could not be loaded does not answer, whatever the file says.
        slots.retain(|name, _| self.worker.models.get(name.as_str()).is_some());
        for plan in reconcile::plan(&desired, &self.records, &slots) {
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
                let Some(record) = self.records.get_mut(&wanted.target.model().name) else { return Ok(()) };
                (record.generation, record.rollout) = (generation, wanted.rollout);
                self.store.keep(record)?;
                self.show_all();
                Ok(())
            }
            Plan::Retire(name) => self.retire(&name),
        }
    }

    fn start(&mut self, wanted: DesiredModel, generation: u64, state: UpdateState) -> anyhow::Result<()> {
        let name = wanted.target.model().name.clone();
        let mut refused = self.records.remove(&name).map(|record| record.refused).unwrap_or_default();
        if wanted.again {
            refused.retain(|refused| refused.model != *wanted.target.model());
        }
        let mut record = Record::new(wanted.target, UpdateState::Idle, self.worker.clock.now_ms(), refused);
        (record.generation, record.rollout) = (generation, wanted.rollout);
        self.worker.tested = None;
        self.worker.models.challenge(&name, None);
        self.records.insert(name.clone(), record);
        self.enter(&name, state)
    }

    fn retire(&mut self, name: &ModelName) -> anyhow::Result<()> {
        let folder = Folder::new(&self.worker.data_dir, name);
        let mut slots = folder.read()?;
        if let Some(current) = slots.current.take() {
            if slots.proven || slots.previous.is_none() {
                slots.previous = Some(current);
            }
            slots.proven = true;
            folder.write(&slots)?;
        }
        self.worker.models.challenge(name, None);
        self.worker.models.remove(name);
        self.store.forget(name)?;
        self.records.remove(name);
        self.events.tell(
            "model-retired",
            Severity::Info,
            format!("{name} is no longer asked for and stopped"),
        );
        self.show_all();
        Ok(())
    }

    /// Works on one update until it ends or has to wait; returns how long.
    async fn advance(&mut self, name: &ModelName) -> Duration {
        loop {
            let Some(mut record) = self.records.get(name).cloned() else { return WATCH };
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
            self.records.insert(name.clone(), record.clone());
            let elapsed = self.entered.get(name).map_or(Duration::ZERO, Instant::elapsed);
            let progress = Progress { elapsed, failures: record.failures, starts: record.starts };
            let entered = match machine::next(&record.state, progress, &event, &self.worker.config) {
                Next::Enter(state) => self.enter(name, state),
                Next::Retry(pause) => {
                    tracing::warn!(model = %record.model(), state = record.state.name(), ?event, ?pause, "again later");
                    if let Some(record) = self.records.get_mut(name) {
                        record.failures += 1;
                    }
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
                return Duration::from_secs(5);
            }
        }
    }

    /// Writes the state down, then tells of it; its work comes after.
    fn enter(&mut self, name: &ModelName, state: UpdateState) -> anyhow::Result<()> {
        let Some(record) = self.records.get(name) else { return Ok(()) };
        let mut record = record.clone();
        record.enter(state, self.worker.clock.now_ms());
        self.store.keep(&record)?;
        self.records.insert(name.clone(), record.clone());
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
        shown.generation = self.last.as_ref().map_or(0, |last| last.generation);
        shown.reports =
            self.records.iter().map(|(name, record)| (name.clone(), record.report(None))).collect();
        drop(shown);
        self.changed.notify_one();
    }
}
