//! Carries updates from state to state.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use dunlin_protocol::{
    ModelName,
    message::{Desired, DesiredModel, Severity},
    update::{Reason, UpdateState},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Ledger, Updates,
    jobs::{Done, Jobs},
    machine::{self, Event, Next, Progress},
    reconcile::{self, Plan},
    record::Record,
    work::Worker,
};
use crate::{serving::slot::Slots, telemetry::Events};

/// How often shadow and probation are looked at.
const WATCH: Duration = Duration::from_millis(500);

/// The pause after the disk refused something.
const DISK_PAUSE: Duration = Duration::from_secs(5);

/// Drives updates.
pub struct Driver {
    /// Does the work.
    pub worker: Arc<Worker>,
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
    /// Names whose work waits, and until when.
    due: BTreeMap<ModelName, Instant>,
    /// Why the disk did not take the next state, while it does not.
    refusals: BTreeMap<ModelName, Reason>,
    jobs: Jobs,
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
        let (worker, due, jobs) = (Arc::new(worker), BTreeMap::new(), Jobs::default());
        let refusals = BTreeMap::new();
        let driver = Self { worker, ledger, events, updates, changed, desired, entered, due, refusals, jobs };
        driver.show_all();
        driver
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let (mut reconciled, mut refused) = (None::<Instant>, None::<Instant>);
        let every = Duration::from_secs(self.worker.config.reconcile_seconds.max(1));
        loop {
            let came = self.read_desired();
            if came || reconciled.is_none_or(|at| at.elapsed() >= every) {
                reconciled = Some(Instant::now());
                self.reconcile();
            }
            if refused.is_none_or(|at| at.elapsed() >= DISK_PAUSE) {
                let written = self.ledger.write_behind() & self.worker.shelf.write_behind();
                refused = (!written).then(Instant::now);
            }
            let pause = self.begin_work().min(if refused.is_none() { every } else { DISK_PAUSE });
            tokio::select! {
                () = stop.cancelled() => return self.stopped_cleanly(),
                changed = self.desired.changed() => if changed.is_err() { return self.stopped_cleanly() },
                done = self.jobs.ended() => self.go_on(done),
                () = tokio::time::sleep(pause.min(every)) => {}
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
        self.jobs.drop_work(&name);
        self.due.remove(&name);
        self.refusals.remove(&name);
        self.worker.models.challenge(&name, None);
        self.ledger.note(record);
        self.enter(&name, state)
    }

    fn retire(&mut self, name: &ModelName) {
        self.jobs.drop_work(name);
        self.refusals.remove(name);
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

    /// Begins the work that is due; returns when more will be.
    fn begin_work(&mut self) -> Duration {
        let mut pause = Duration::MAX;
        for name in self.active().into_iter().filter(|name| !self.jobs.is_running(name)).collect::<Vec<_>>() {
            let wait = self.due.get(&name).map_or(Duration::ZERO, |due| due.duration_since(Instant::now()));
            if !wait.is_zero() {
                pause = pause.min(wait);
            } else if let Some(record) = self.ledger.get(&name).cloned() {
                let (updates, changed) = (self.updates.clone(), self.changed.clone());
                self.jobs.begin(self.worker.clone(), record, self.elapsed(&name), updates, changed);
            }
        }
        pause
    }

    /// Goes on with an update after a piece of its work.
    fn go_on(&mut self, Done { name, record: worked, event }: Done) {
        let Some(mut record) = self.ledger.get(&name).cloned() else { return };
        if let Some(worked) = worked {
            // What was asked for may have changed meanwhile; what was looked up is the work's.
            (record.sha256, record.length) = (worked.sha256, worked.length);
            self.ledger.note(record.clone());
        }
        let event = self.told_of_disk(&record, event);
        let pause = match machine::next(&record.state, self.progress(&record), &event, &self.worker.config) {
            Next::Enter(state) => match self.enter(&name, state) {
                Ok(()) => Duration::ZERO,
                Err(error) => self.refused_by_disk(&record, &error),
            },
            Next::Retry(pause) => {
                tracing::warn!(model = %record.model(), state = record.state.name(), ?event, ?pause, "again later");
                record.failures += 1;
                self.ledger.note(record);
                pause
            }
            Next::Stay => WATCH,
            Next::Illegal => {
                tracing::error!(model = %record.model(), state = record.state.name(), ?event,
                    "an impossible transition was refused");
                DISK_PAUSE
            }
        };
        self.due.insert(name, Instant::now() + pause);
    }

    /// The next state could not be written down: tries again, until this one has lasted too long.
    fn refused_by_disk(&mut self, record: &Record, error: &anyhow::Error) -> Duration {
        let name = record.model().name.clone();
        self.refusals.insert(name.clone(), Reason::new("disk", format!("{error:#}")));
        let fault = self.told_of_disk(record, Event::Tick);
        if let (Event::Fault { .. }, Next::Enter(end)) =
            (&fault, machine::next(&record.state, self.progress(record), &fault, &self.worker.config))
            && self.enter(&name, end).is_ok()
        {
            return Duration::ZERO;
        }
        tracing::error!(error = %format!("{error:#}"), "the next state could not be recorded; trying again");
        DISK_PAUSE
    }

    /// The same event; but where the disk is why a state has lasted too long, that is what ends it, and not the clock.
    fn told_of_disk(&self, record: &Record, event: Event) -> Event {
        let (name, config) = (&record.model().name, &self.worker.config);
        let work = Duration::from_secs(config.work_deadline_seconds);
        let late = self.elapsed(name) >= machine::deadline(&record.state, config).max(work);
        match (event, self.refusals.get(name)) {
            (Event::Tick, Some(reason)) if late => Event::Fault { reason: reason.clone(), again: false },
            (event, _) => event,
        }
    }

    fn elapsed(&self, name: &ModelName) -> Duration {
        self.entered.get(name).map_or(Duration::ZERO, Instant::elapsed)
    }

    fn progress(&self, record: &Record) -> Progress {
        let elapsed = self.elapsed(&record.model().name);
        Progress { elapsed, failures: record.failures, starts: record.starts }
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
        self.refusals.remove(name);
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
        self.updates.show(&self.ledger);
        self.changed.notify_one();
    }
}
