//! Where the broker calls: admission, comings and goings, and every message before it is acknowledged.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use dunlin_protocol::{Channel, DeviceId, Message as _, message::RecordId};
use subtle::ConstantTimeEq;

use super::{
    Kind, Live, LiveEvent, Tapped,
    decode::{Record, decode},
    keep::{self, Kept},
};
use crate::{
    broker::{Hooks, Incoming},
    clock::now_ms,
    fleet::Known,
    link::Link,
    storage::{Store, StoreError, devices},
};

/// Pause before a write is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// At most one event of the same kind and device is noted in this time; all are counted.
const NOTE_AGAIN: Duration = Duration::from_secs(10);

/// Stores what devices say.
pub struct Ingest {
    store: Store,
    live: Live,
    link: Arc<dyn Link>,
    noted: Mutex<HashMap<(DeviceId, &'static str), Instant>>,
}

impl Ingest {
    /// Into this database; tells `live`, hands answers to `link`.
    pub fn new(store: Store, live: Live, link: Arc<dyn Link>) -> Self {
        Self { store, live, link, noted: Mutex::default() }
    }

    /// Stores a record, however often the database must be asked: the device is not acknowledged before.
    /// The wait ends with the connection.
    async fn keep(&self, device: &DeviceId, record: &Record, payload: &[u8]) -> Kept {
        loop {
            let now = now_ms();
            let kept = match record {
                Record::Window(window) => keep::window(&self.store, device, window, payload, now).await,
                Record::Event(event) => keep::event(&self.store, device, event, payload, now).await,
                Record::Sample(sample) => keep::sample(&self.store, device, sample, payload, now).await,
                Record::State(state) => keep::state(&self.store, device, state, payload, now).await,
                Record::Reply(_) => Ok(Kept::New),
            };
            match kept {
                Ok(kept) => return kept,
                Err(error) => {
                    let reason = crate::error::chain(&error);
                    tracing::error!(device.id = %device, %reason, "a record waits for the database");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn note(&self, device: &DeviceId, code: &'static str, message: String) {
        metrics::counter!("dunlin_server_noticed_total", "code" => code).increment(1);
        tracing::warn!(device.id = %device, code, %message, "noticed");
        if !self.due(device, code) {
            return;
        }
        if let Err(error) = keep::noticed(&self.store, device, code, message, now_ms()).await {
            tracing::error!(reason = %crate::error::chain(&error), "an event could not be stored");
        }
        self.tell(Kind::Event, device, None);
    }

    fn due(&self, device: &DeviceId, code: &'static str) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        noted.retain(|_, at| now.duration_since(*at) < NOTE_AGAIN);
        let new = !noted.contains_key(&(device.clone(), code));
        if new {
            noted.insert((device.clone(), code), now);
        }
        new
    }

    fn tell(&self, kind: Kind, device: &DeviceId, message: Option<Tapped>) {
        self.live.tell(LiveEvent { kind, device: Some(device.clone()), id: None, message });
    }

    async fn set_online(&self, device: &DeviceId, online: bool) {
        let (id, now) = (device.to_string(), now_ms());
        let stored = self.store.write(move |tx| {
            devices::set_online(tx, &id, online, now)?;
            devices::get(tx, &id)
        });
        let row = stored.await.unwrap_or_else(|error| {
            tracing::error!(reason = %crate::error::chain(&error), "a device's presence could not be stored");
            None
        });
        // A connection that broke says nothing itself: who listens hears the last state, with what has changed.
        let state = row.filter(|_| !online).and_then(Known::new).and_then(|known| known.state);
        let payload = state.and_then(|state| state.encode().ok());
        let message =
            payload.map(|payload| Tapped { channel: Channel::State, record: None, payload: payload.into() });
        self.tell(Kind::State, device, message);
    }
}

fn kind_and_id(record: &Record) -> (Kind, Option<RecordId>) {
    match record {
        Record::State(_) => (Kind::State, None),
        Record::Window(window) => (Kind::Window, Some(window.record)),
        Record::Event(event) => (Kind::Event, Some(event.record)),
        Record::Sample(sample) => (Kind::Sample, Some(sample.record)),
        Record::Reply(_) => (Kind::Reply, None),
    }
}

#[async_trait]
impl Hooks for Ingest {
    async fn admit(&self, device: &DeviceId, certificate: &[u8]) -> Result<(), String> {
        let id = device.to_string();
        let row = match self.store.read(move |db| devices::get(db, &id)).await {
            Ok(row) => row,
            Err(error @ StoreError::Closed) => return Err(error.to_string()),
            Err(error) => return Err(crate::error::chain(&error)),
        };
        match row {
            None => Err("no device of that name is enrolled here".into()),
            Some(row) if row.revoked_ms.is_some() => Err("the device was revoked".into()),
            Some(row) if !bool::from(row.certificate.ct_eq(certificate)) => {
                Err("the certificate was replaced by a later enrolment".into())
            }
            Some(_) => Ok(()),
        }
    }

    async fn connected(&self, device: &DeviceId) {
        tracing::info!(device.id = %device, "device connected");
        self.set_online(device, true).await;
    }

    async fn disconnected(&self, device: &DeviceId) {
        tracing::info!(device.id = %device, "device disconnected");
        self.set_online(device, false).await;
    }

    async fn published(&self, message: Incoming) {
        let Incoming { device, channel, payload, correlation } = message;
        metrics::counter!("dunlin_server_messages_total", "channel" => channel.as_str()).increment(1);
        let record = match decode(channel, &payload) {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => return self.note(&device, "message-unreadable", keep::reason(&error)).await,
        };
        match self.keep(&device, &record, &payload).await {
            Kept::New => {}
            Kept::Known => {
                metrics::counter!("dunlin_server_duplicates_total", "channel" => channel.as_str())
                    .increment(1);
                return;
            }
            Kept::Stranger => {
                return self
                    .note(&device, "not-enrolled", format!("a {channel} came from no enrolled device"))
                    .await;
            }
        }
        let (kind, id) = kind_and_id(&record);
        let tapped = Tapped { channel, record: id, payload: payload.as_ref().into() };
        self.tell(kind, &device, Some(tapped));
        if let (Record::Reply(reply), Some(correlation)) = (record, correlation) {
            debug_assert_eq!(channel, Channel::Reply);
            self.link.answer(&device, &correlation, reply);
        }
    }

    async fn refused(&self, device: &DeviceId, what: String) {
        self.note(device, "refused", what).await;
    }
}
