//! Windows of a rollout's period, sorted into control group and treated devices as they arrive.

use std::collections::BTreeMap;

use dunlin_protocol::{
    DeviceId, Message,
    message::{ClockQuality, Window},
};
use dunlin_rollout::{Health, Rollout};

use super::stored::Mark;
use crate::storage::{Store, StoreError, windows};

/// Windows read at a time.
const BATCH: u32 = 2000;

/// Health of one rollout's period, kept up to date.
#[derive(Debug, Clone)]
pub struct Follower {
    mark: Mark,
    arrival: i64,
    health: Health,
}

impl Follower {
    /// Nothing read yet of the period that begins at `mark`.
    pub fn new(mark: Mark) -> Self {
        Self { mark, arrival: mark.arrival, health: Health::default() }
    }

    /// The period that is followed.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// What was read so far.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Reads what arrived since the last time.
    ///
    /// # Errors
    /// The store's.
    pub async fn catch_up(
        &mut self,
        store: &Store,
        rollout: &Rollout,
        numbers: &BTreeMap<i64, DeviceId>,
    ) -> Result<(), StoreError> {
        loop {
            let from = self.arrival;
            let rows = store.read(move |db| windows::since(db, from, BATCH)).await?;
            let full = rows.len() == BATCH as usize;
            for (arrival, row) in rows {
                self.arrival = arrival.number;
                let Some(device) = numbers.get(&row.device) else { continue };
                let Ok(window) = Window::decode(&row.body) else { continue };
                if rollout.previous.contains_key(device) && self.counts(&window) {
                    self.add(rollout, device, &window);
                }
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// A window that was spooled before the period began does not count; a clock that is not to be believed cannot
    /// say so.
    fn counts(&self, window: &Window) -> bool {
        window.clock != ClockQuality::Synchronised || window.start_ms >= self.mark.since_ms
    }

    fn add(&mut self, rollout: &Rollout, device: &DeviceId, window: &Window) {
        if window.model == rollout.model {
            self.health.treated.add(device, window);
        } else if window.model.name == rollout.model.name {
            self.health.control.add(device, window);
        }
    }
}
