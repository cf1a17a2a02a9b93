//! Draws rows from a source at its pace and runs every model that answers on them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dunlin_runtime::rows::{Row, tensor_inputs};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Pipeline;
use crate::{
    serving::LoadedModel,
    source::{Config, Rows, faults::Fault, faults::Faults, pace::Pace},
};

/// How often due rows are drawn.
const TICK: Duration = Duration::from_millis(50);

/// Rows drawn so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Rows that a model answered.
    pub rows: AtomicU64,
    /// Rows that could not be read or fitted.
    pub bad: AtomicU64,
}

/// What is told when a source goes wrong or ends.
pub type Tell = Arc<dyn Fn(&'static str, String) + Send + Sync>;

/// A source that is being drawn from.
pub struct Feed {
    /// Pace and range.
    pub config: Config,
    /// The rows.
    pub rows: Rows,
    /// Where they go.
    pub pipeline: Arc<Pipeline>,
    /// Scripted sensor faults.
    pub faults: watch::Receiver<Vec<Fault>>,
    /// Rows so far.
    pub counters: Arc<Counters>,
    /// For events.
    pub tell: Tell,
}

impl Feed {
    /// Draws until the source ends or `stop`. Waits for a model before the first row.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.pipeline.models.changes();
        let mut pace = Pace::new(self.config.rows_per_second);
        let mut memory = Faults::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
            while self.pipeline.models.all().is_empty() {
                tokio::select! { () = stop.cancelled() => return, _ = changes.changed() => last = Instant::now() }
            }
            let due = pace.due(last.elapsed());
            last = Instant::now();
            let stop = stop.clone();
            let drawn = tokio::task::spawn_blocking(move || {
                let more = self.draw(due, &mut memory, &stop);
                (self, memory, more)
            });
            let more;
            match drawn.await {
                Ok(done) => (self, memory, more) = done,
                Err(error) => return tracing::error!(%error, "the source's task ended unexpectedly"),
            }
            if !more {
                tracing::info!(rows = self.counters.rows.load(Ordering::Relaxed), "the source has ended");
                return;
            }
        }
    }

    /// Draws up to `due` rows; false at the end.
    fn draw(&mut self, due: u64, memory: &mut Faults, stop: &CancellationToken) -> bool {
        let faults = self.faults.borrow().clone();
        let models = self.pipeline.models.all();
        let models: Vec<_> = models
            .iter()
            .filter(|loaded| self.config.model.as_ref().is_none_or(|name| *name == loaded.model.name))
            .collect();
        for _ in 0..due {
            if stop.is_cancelled() {
                return false;
            }
            match self.rows.next() {
                None => {
                    if self.rows.drawn() == 0 {
                        self.tell(
                            "it has no rows, at most a header; give it rows, or set another source.path",
                        );
                    }
                    return false;
                }
                Some(Err(error)) => self.bad(&error.to_string()),
                Some(Ok(row)) => {
                    let row = memory.apply(&faults, self.rows.drawn(), row);
                    for loaded in &models {
                        self.pass(loaded, &row);
                    }
                }
            }
        }
        true
    }

    fn pass(&self, loaded: &Arc<LoadedModel>, row: &Row) {
        let inputs = match tensor_inputs(loaded.spec(), std::slice::from_ref(row)) {
            Ok(inputs) => inputs,
            Err(error) => return self.bad(&error.to_string()),
        };
        let label = loaded.spec().target.as_deref().and_then(|target| row.get(target));
        let id = format!("row-{}", self.rows.drawn());
        match self.pipeline.infer(loaded, &id, &inputs, label) {
            Ok(_) => {
                self.counters.rows.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.bad(&error.to_string()),
        }
    }

    /// Counts a row that cannot be used; tells of the first, the tenth, the hundredth, …
    fn bad(&self, reason: &str) {
        let count = self.counters.bad.fetch_add(1, Ordering::Relaxed) + 1;
        if count.ilog10() > (count - 1).checked_ilog10().unwrap_or(0) || count == 1 {
            self.tell(&format!("row skipped ({count} so far): {reason}"));
        }
    }

    fn tell(&self, what: &str) {
        (self.tell)("source-failed", format!("{}: {what}", self.config.name()));
    }
}
