//! Follows the windows as they arrive, judges every few seconds, keeps the alerts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use dunlin_monitoring::{AlertChange, Policy, alerts};
use dunlin_protocol::{
    DeviceId, Message, ModelRef,
    message::{ClockQuality, Window},
};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use super::{
    board::{Board, ModelBoard},
    cells::{self, Drift},
    findings::findings,
    rows::{self, AlertRow},
};
use crate::{
    clock::now_ms,
    error::chain,
    fleet::device,
    ingest::live::{Kind, Live},
    registry,
    storage::{Store, StoreError, windows},
};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(3);
/// Windows read at a time.
const BATCH: u32 = 2000;
/// At start, the last so many windows are read anew.
const AT_START: i64 = 100_000;
/// A window that ends later than it came by more than this, in milliseconds, was dated by a wrong clock.
const AHEAD_MS: i64 = 10 * 60 * 1000;
/// How far back the heat map looks.
const KEPT_MS: i64 = 7 * 86_400_000;

/// The watch. Clones share it.
#[derive(Clone)]
pub struct Monitoring {
    store: Store,
    live: Live,
    policy: Arc<Policy>,
    /// What is known of recent windows.
    pub(crate) board: Arc<RwLock<Board>>,
}

impl Monitoring {
    /// A watch that has not begun.
    pub fn new(store: Store, live: Live) -> Self {
        Self { store, live, policy: Arc::default(), board: Arc::default() }
    }

    /// The limits it judges by.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Looks every few seconds until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut from = match self.store.read(windows::last_arrival).await {
            Ok(last) => last.saturating_sub(AT_START),
            Err(error) => {
                tracing::error!(error = chain(&error), "the latest windows cannot be read");
                0
            }
        };
        loop {
            if let Err(error) = self.look(&mut from, now_ms()).await {
                tracing::error!(
                    error = chain(&error),
                    "a look at the windows failed; the next one tries again"
                );
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Reads what arrived after `from`, judges it, keeps the alerts.
    ///
    /// # Errors
    /// The store's.
    pub async fn look(&self, from: &mut i64, now_ms: i64) -> Result<(), StoreError> {
        let devices = self.store.read(device::all).await?;
        let numbers: BTreeMap<i64, DeviceId> =
            devices.iter().map(|known| (known.row.number, known.id.clone())).collect();
        loop {
            let after = *from;
            let rows = self.store.read(move |db| windows::since(db, after, BATCH)).await?;
            let full = rows.len() == BATCH as usize;
            let mut read = Vec::with_capacity(rows.len());
            for (arrival, row) in rows {
                *from = arrival.number;
                let (Some(device), Ok(mut window)) = (numbers.get(&row.device), Window::decode(&row.body))
                else {
                    continue;
                };
                let spoken_ms = spoken_of(&mut window, arrival.received_ms);
                read.push((device.clone(), window, spoken_ms));
            }
            self.take_in(read).await?;
            if !full {
                break;
            }
        }
        let mut board = self.board.write().await;
        let usable: BTreeSet<&DeviceId> =
            devices.iter().filter(|known| known.row.revoked_ms.is_none()).map(|known| &known.id).collect();
        board.forget(now_ms.saturating_sub(KEPT_MS), |device| usable.contains(device));
        for model in board.models.values_mut() {
            model.assess(&self.policy, now_ms);
        }
        let found = findings(&board, &devices, &self.policy, now_ms);
        drop(board);
        let policy = Arc::clone(&self.policy);
        let changes = self
            .store
            .write(move |db| {
                let changes = alerts(&rows::followed(db)?, &found, &policy, now_ms);
                changes
                    .into_iter()
                    .map(|change| Ok((rows::apply(db, &change)?, change)))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        for (id, change) in changes {
            if !matches!(change, AlertChange::Update(_)) {
                self.live.changed(Kind::Alert, id.to_string());
            }
        }
        Ok(())
    }

    async fn take_in(&self, read: Vec<(DeviceId, Window, i64)>) -> Result<(), StoreError> {
        let mut board = self.board.write().await;
        for (device, window, spoken_ms) in read {
            if !board.models.contains_key(&window.model) {
                let model = window.model.clone();
                let row = self.store.read(move |db| registry::rows::find(db, &model)).await?;
                let Some(row) = row else { continue };
                let reference = row.reference();
                board.models.insert(window.model.clone(), ModelBoard::new(row.manifest, reference));
            }
            board.add(device, window, spoken_ms);
        }
        Ok(())
    }

    /// Names of models that sent windows with statistics.
    pub async fn names(&self) -> Vec<String> {
        let board = self.board.read().await;
        let names: BTreeSet<String> = board.models.keys().map(|model| model.name.to_string()).collect();
        names.into_iter().collect()
    }

    /// The heat map of a model over the last `hours` before `now_ms`.
    pub async fn drift(&self, name: &str, hours: u32, now_ms: i64) -> Drift {
        let from = now_ms.saturating_sub(i64::from(hours) * 3_600_000);
        cells::drift(&*self.board.read().await, name, &self.policy, (from, i64::MAX / 4))
    }

    /// What there is to say about all models, the most important first.
    pub async fn sentences(&self) -> Vec<String> {
        let board = self.board.read().await;
        let mut said: Vec<_> = board.models.values().flat_map(|model| &model.findings).collect();
        said.retain(|finding| !finding.sentence.is_empty());
        said.sort_by_key(|finding| (finding.drifting.is_empty(), finding.faulty.is_empty()));
        said.into_iter().map(|finding| finding.sentence.clone()).collect()
    }

    /// Features of a device that drift, and those with a broken sensor.
    pub async fn of_device(&self, device: &DeviceId) -> (Vec<String>, Vec<String>) {
        let board = self.board.read().await;
        let (mut drifting, mut faulty) = (Vec::new(), Vec::new());
        for finding in board.models.values().flat_map(|model| &model.findings) {
            if finding.drifting.contains(device) {
                drifting.push(finding.feature.clone());
            }
            if finding.faulty.iter().any(|(id, _)| id == device) {
                faulty.push(finding.feature.clone());
            }
        }
        (drifting, faulty)
    }

    /// The version of a model whose windows are the newest, if there is one on the board.
    pub async fn newest(&self, name: &str) -> Option<ModelRef> {
        let board = self.board.read().await;
        let newest = |model: &ModelBoard| model.devices.values().map(|device| device.arrived_ms).max();
        board.versions(name).max_by_key(|(_, model)| newest(model)).map(|(model, _)| model.clone())
    }

    /// Alerts, the newest first; closed ones only with `all`.
    ///
    /// # Errors
    /// The store's.
    pub async fn alerts(&self, all: bool) -> Result<Vec<AlertRow>, StoreError> {
        self.store.read(move |db| rows::list(db, all)).await
    }

    /// Notes that somebody knows of an alert; `None` if there is none of that number.
    ///
    /// # Errors
    /// The store's.
    pub async fn acknowledge(&self, id: i64) -> Result<Option<AlertRow>, StoreError> {
        let found = self.store.write(move |db| rows::acknowledge(db, id)).await?;
        if found.is_some() {
            self.live.changed(Kind::Alert, id.to_string());
        }
        Ok(found)
    }
}

/// The time that a window speaks of: its end, which may be long before it came. A clock that cannot be believed says
/// nothing about that; one that is ahead of the server's is marked as such.
fn spoken_of(window: &mut Window, received_ms: i64) -> i64 {
    let end = window.start_ms.saturating_add_unsigned(window.duration_ms);
    if end > received_ms.saturating_add(AHEAD_MS) {
        window.clock = ClockQuality::Wrong;
    }
    match window.clock {
        ClockQuality::Synchronised => end.min(received_ms),
        ClockQuality::Unknown | ClockQuality::Wrong => received_ms,
    }
}
