//! Closes the open window of every model. A window that the disk refuses is kept and merged with the next; one that
//! is larger than a message may be is dropped, and the spool counts it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use dunlin_protocol::{
    Channel, Message as _,
    message::{RecordId, Window},
};

use crate::{
    clock::Clock,
    serving::{LoadedModel, Models},
    spool::{Spool, SpoolError},
};

/// Closes windows.
pub struct Windows {
    models: Arc<Models>,
    spool: Arc<Spool>,
    clock: Arc<dyn Clock>,
    held: Mutex<Vec<Window>>,
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windows").finish_non_exhaustive()
    }
}

impl Windows {
    /// For these models, into this spool.
    pub fn new(models: Arc<Models>, spool: Arc<Spool>, clock: Arc<dyn Clock>) -> Self {
        Self { models, spool, clock, held: Mutex::default() }
    }

    /// Closes every window that counted something. Returns how many are on disk now. Blocks for the flush.
    pub fn close(&self) -> usize {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for window in self.models.to_close().iter().filter_map(|loaded| self.take(loaded)) {
            let merged = held.iter_mut().any(|earlier| earlier.merge(&window).is_ok());
            if !merged {
                held.push(window);
            }
        }
        let mut closed = 0;
        held.retain_mut(|window| {
            let written = self.spool.append(Channel::Window, |record| {
                window.record = record;
                window.encode()
            });
            match written {
                Ok(_) => {
                    closed += 1;
                    false
                }
                Err(error @ SpoolError::Encode(_)) => {
                    tracing::error!(model = %window.model, error = %format!("{:#}", anyhow::Error::new(error)),
                        "a window is lost; a model with fewer features has smaller ones");
                    false
                }
                Err(error) => {
                    tracing::warn!(model = %window.model, %error, "a window waits in memory for a place on disk");
                    true
                }
            }
        });
        closed
    }

    fn take(&self, loaded: &LoadedModel) -> Option<Window> {
        // A wall clock that is set meanwhile must neither stretch a window nor make it vanish.
        let length = loaded.next_window(self.clock.elapsed());
        let duration_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let counts = loaded.observer().take();
        if counts.inferences == 0 && counts.failures == 0 && counts.labels.count == 0 {
            return None;
        }
        Some(Window {
            record: RecordId { boot: 0, sequence: 0 },
            model: loaded.model.clone(),
            start_ms: self.clock.now_ms().saturating_sub_unsigned(duration_ms),
            duration_ms,
            merged: 1,
            clock: self.clock.quality(),
            inferences: counts.inferences,
            failures: counts.failures,
            inputs: counts.inputs,
            outputs: counts.outputs,
            latency: counts.latency,
            labels: counts.labels,
        })
    }
}
