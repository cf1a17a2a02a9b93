//! What has just happened, for pages that are open. Bounded: who reads too slowly misses some, and is told.

use std::sync::Arc;

use dunlin_protocol::{Channel, DeviceId, message::RecordId};
use tokio::sync::broadcast;

/// Events kept for slow readers.
const CAPACITY: usize = 1024;

/// What kind of thing changed. The words are those of the event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A device's state, or whether it is connected.
    State,
    /// A window came.
    Window,
    /// An event came, or the server noticed something.
    Event,
    /// A sample came.
    Sample,
    /// A device answered a command.
    Reply,
    /// A rollout moved.
    Rollout,
    /// A job moved.
    Job,
    /// An alert was raised, acknowledged or closed.
    Alert,
    /// A model was added or judged.
    Model,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct LiveEvent {
    /// What kind of thing.
    pub kind: Kind,
    /// The device it concerns.
    pub device: Option<DeviceId>,
    /// Which rollout, job, alert or model.
    pub id: Option<String>,
    /// The message behind it, for the tap.
    pub message: Option<Tapped>,
}

/// A message as it came from a device, still encoded.
#[derive(Debug, Clone)]
pub struct Tapped {
    /// The channel it came on.
    pub channel: Channel,
    /// Its identity, where the channel has one.
    pub record: Option<RecordId>,
    /// The CBOR payload with its version envelope.
    pub payload: Arc<[u8]>,
}

/// Where what happened is told.
#[derive(Debug, Clone)]
pub struct Live {
    sender: broadcast::Sender<LiveEvent>,
}

impl Default for Live {
    fn default() -> Self {
        Self { sender: broadcast::channel(CAPACITY).0 }
    }
}

impl Live {
    /// Tells whoever listens.
    pub fn tell(&self, event: LiveEvent) {
        // No listener is no failure.
        drop(self.sender.send(event));
    }

    /// Tells that a thing with an id changed.
    pub fn changed(&self, kind: Kind, id: impl Into<String>) {
        self.tell(LiveEvent { kind, device: None, id: Some(id.into()), message: None });
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<LiveEvent> {
        self.sender.subscribe()
    }
}
