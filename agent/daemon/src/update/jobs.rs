//! Work under way: one piece per model name, side by side, none longer than its state may last.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use dunlin_protocol::{
    ModelName,
    update::{Reason, UpdateState},
};
use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinSet},
};

use super::{
    Config, Updates,
    machine::{Event, deadline},
    record::Record,
    work::Worker,
};

/// Longest silence about a download that goes on.
const TELL: Duration = Duration::from_secs(1);

/// A piece of work that ended.
#[derive(Debug)]
pub struct Done {
    /// The model name it was for.
    pub name: ModelName,
    /// The record as the work left it; `None` after a panic.
    pub record: Option<Record>,
    /// What came of it.
    pub event: Event,
}

/// Work under way.
#[derive(Debug, Default)]
pub struct Jobs {
    tasks: JoinSet<(Record, Event)>,
    running: BTreeMap<ModelName, AbortHandle>,
}

impl Jobs {
    /// True while work for this name is under way.
    pub fn is_running(&self, name: &ModelName) -> bool {
        self.running.contains_key(name)
    }

    /// Begins the work of the record's state, in which it has been for `elapsed`.
    pub fn begin(
        &mut self,
        worker: Arc<Worker>,
        mut record: Record,
        elapsed: Duration,
        updates: Arc<Updates>,
        changed: Arc<Notify>,
    ) {
        let name = record.model().name.clone();
        let limit = patience(&record.state, elapsed, &worker.config);
        let (of, mut told) = (name.clone(), Instant::now());
        let fetched = move |bytes: u64| {
            updates.fetched(&of, bytes);
            if told.elapsed() > TELL {
                told = Instant::now();
                changed.notify_one();
            }
        };
        let task = self.tasks.spawn(async move {
            let worked = tokio::time::timeout(limit, worker.work(&mut record, fetched)).await;
            // Late work is dropped; the tick finds the deadline passed.
            let event = worked.unwrap_or(Event::Tick);
            (record, event)
        });
        self.running.insert(name, task);
    }

    /// Drops the work for a name. What a download fetched stays for the next one.
    pub fn drop_work(&mut self, name: &ModelName) {
        if let Some(task) = self.running.remove(name) {
            task.abort();
        }
    }

    /// The next piece of work that ends; waits for ever when there is none.
    pub async fn ended(&mut self) -> Done {
        loop {
            let Some(ended) = self.tasks.join_next_with_id().await else {
                return std::future::pending().await;
            };
            let (id, result) = match ended {
                Ok((id, (record, event))) => (id, Some((record, event))),
                Err(error) => (error.id(), None),
            };
            // Dropped work has no name any more.
            let Some(name) =
                self.running.iter().find(|(_, task)| task.id() == id).map(|(name, _)| name.clone())
            else {
                continue;
            };
            self.running.remove(&name);
            let (record, event) = match result {
                Some((record, event)) => (Some(record), event),
                None => (None, Event::Fault { reason: panicked(), again: false }),
            };
            return Done { name, record, event };
        }
    }
}

fn panicked() -> Reason {
    Reason::new("panic", "the work ended in a panic; please report it")
}

/// How long a state's work may take. Shadow and probation end well after their time: theirs is only to look.
fn patience(state: &UpdateState, elapsed: Duration, config: &Config) -> Duration {
    match state {
        UpdateState::Shadow | UpdateState::Probation => Duration::from_secs(config.work_deadline_seconds),
        state => deadline(state, config).saturating_sub(elapsed),
    }
}
