//! Who may do what: the certificate authority, enrolment of devices, tokens of programs, sessions of people.
//!
//! Secrets are random, shown once and stored as SHA-256 only. Reading order: [`secret`], [`authority`] (certificates),
//! [`enrol`] (a device's first meeting), [`tokens`], [`sessions`], [`caller`] (who asks, for the HTTP routes),
//! [`limit`] (patience with wrong tokens), [`routes`]. What was allowed is recorded by `audit`.

pub mod authority;
pub mod caller;
pub mod enrol;
pub mod limit;
pub mod routes;
pub mod secret;
pub mod sessions;
pub mod tokens;

use std::sync::{Arc, Mutex};

use dunlin_protocol::DeviceId;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use authority::Authority;
pub use caller::Caller;

use crate::{
    audit::Audit,
    clock::now_ms,
    error::ApiError,
    folder::Folder,
    link::Link,
    storage::{Store, devices},
};

/// Tokens, sessions, certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Days that a device's certificate is valid.
    pub certificate_days: u32,
    /// Hours that a session on the dashboard lasts.
    pub session_hours: u32,
    /// Minutes that a login link can be used.
    pub login_link_minutes: u32,
    /// Wrong tokens that one address may try per minute.
    pub wrong_tokens_per_minute: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            certificate_days: 365,
            session_hours: 24 * 7,
            login_link_minutes: 15,
            wrong_tokens_per_minute: 10,
        }
    }
}

/// Where others reach this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public {
    /// The base of all HTTP addresses, without a slash at its end.
    pub url: String,
    /// What devices connect to over MQTT.
    pub mqtt_host: String,
    /// The port of it.
    pub mqtt_port: u16,
    /// Whether the HTTP side speaks TLS itself.
    pub tls: bool,
}

/// The room's state.
pub struct Access {
    pub(crate) config: Config,
    pub(crate) public: Public,
    pub(crate) authority: Arc<Authority>,
    pub(crate) store: Store,
    pub(crate) audit: Audit,
    pub(crate) link: Arc<dyn Link>,
    pub(crate) folder: Folder,
    pub(crate) wrong: Mutex<limit::Limit>,
}

/// What [`Access`] is built from.
pub struct Parts {
    /// Settings.
    pub config: Config,
    /// Where others reach this server.
    pub public: Public,
    /// Signs certificates.
    pub authority: Arc<Authority>,
    /// The database.
    pub store: Store,
    /// The book of changes.
    pub audit: Audit,
    /// Ends connections of those who lose their right.
    pub link: Arc<dyn Link>,
    /// Where the trust root lies that new devices are given.
    pub folder: Folder,
}

impl Access {
    /// Wires the parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { config, public, authority, store, audit, link, folder } = parts;
        let wrong = Mutex::new(limit::Limit::new(config.wrong_tokens_per_minute));
        Self { config, public, authority, store, audit, link, folder, wrong }
    }

    /// Where others reach this server.
    pub fn public(&self) -> &Public {
        &self.public
    }

    /// Takes a device's right to connect and ends its connections.
    ///
    /// # Errors
    /// 404 if there is no such device, or it was revoked before.
    pub async fn revoke_device(&self, who: &str, device: &DeviceId) -> Result<(), ApiError> {
        let (id, now) = (device.to_string(), now_ms());
        if !self.store.write(move |tx| devices::revoke(tx, &id, now)).await? {
            return Err(ApiError::not_found(
                "unknown-device",
                format!("no device {device} has the right to connect"),
                "see `dunlin device list` for those that have",
            ));
        }
        self.link.cut(device);
        self.audit.record(who, "device-revoked", device.as_str(), json!({})).await?;
        Ok(())
    }
}
