//! Lets devices in over MQTT: the one room that knows the broker library.
//!
//! A connection is accepted here, its certificate read here, and only then handed to the broker, bound to the name
//! in the certificate ([`listener`], [`certificate`]). What that name may do is a table ([`acl`]), enforced for
//! CONNECT, PUBLISH, SUBSCRIBE and last wills ([`gate`]). An accepted publish is offered to [`Hooks`] and
//! acknowledged when the hook returns ([`hook`]). Retained messages are a cache, filled anew at start; what they
//! copy is in the database.
//!
//! The room does not decode payloads, store anything, or decide who is enrolled: it asks its hooks.

pub mod acl;
mod certificate;
mod gate;
mod hook;
mod listener;
mod post;

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use dunlin_protocol::{Channel, DeviceId};
use serde::{Deserialize, Serialize};

pub use listener::{Broker, Parts};
pub use post::Post;

/// The MQTT listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address to listen on.
    pub listen: IpAddr,
    /// Port; 0 takes any that is free.
    pub port: u16,
    /// What devices are told to connect to; empty means the host of `[http]`.
    pub host: String,
    /// Most devices connected at the same time.
    pub max_connections: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: IpAddr::from([0, 0, 0, 0]), port: 8883, host: String::new(), max_connections: 20_000 }
    }
}

/// A message of a device that the table allowed.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Who sent it, by its certificate.
    pub device: DeviceId,
    /// On which of its channels.
    pub channel: Channel,
    /// The payload, not yet looked at.
    pub payload: Bytes,
    /// Correlation data, on replies.
    pub correlation: Option<Bytes>,
}

/// What the broker asks of the rest of the server.
#[async_trait]
pub trait Hooks: Send + Sync + 'static {
    /// Whether the device with this certificate (SHA-256 of its DER) may connect; if not, why.
    async fn admit(&self, device: &DeviceId, certificate: &[u8]) -> Result<(), String>;
    /// The first connection of a device began.
    async fn connected(&self, device: &DeviceId);
    /// The last connection of a device ended.
    async fn disconnected(&self, device: &DeviceId);
    /// A message came. It is acknowledged to the device when this returns.
    async fn published(&self, message: Incoming);
    /// A device tried what it may not. `what` is one sentence.
    async fn refused(&self, device: &DeviceId, what: String);
}

/// Hooks as the room's files share them.
pub(crate) type SharedHooks = Arc<dyn Hooks>;
