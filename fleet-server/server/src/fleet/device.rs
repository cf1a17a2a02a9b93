//! A device as the server knows it: its row and what it last reported.

use dunlin_protocol::{DeviceId, Message, ModelName, ModelRef, message::State, update::UpdateReport};
use dunlin_rollout::DeviceView;
use rusqlite::Connection;

use crate::storage::devices::{self, DeviceRow};

/// A device is stale when it says it is connected but was silent for this long, in milliseconds: three windows.
pub const STALE_AFTER_MS: i64 = 180_000;

/// How reachable a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Connected and heard of lately.
    Online,
    /// Connected, but silent.
    Stale,
    /// Not connected.
    Offline,
    /// Never reported anything.
    Enrolled,
    /// Its certificate is no longer accepted.
    Revoked,
}

/// A device with its decoded state.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name.
    pub id: DeviceId,
    /// Its row.
    pub row: DeviceRow,
    /// What it last reported; online only while it is connected.
    pub state: Option<State>,
}

impl Known {
    /// From a row. `None` if the name is not one, which the database was never given.
    pub fn new(row: DeviceRow) -> Option<Self> {
        let id = row.id.parse().ok()?;
        let reported = row.state.as_deref().and_then(|bytes| State::decode(bytes).ok());
        let state = reported.map(|state| State { online: state.online && row.online, ..state });
        Some(Self { id, row, state })
    }

    /// How reachable it is at `now_ms`.
    pub fn status(&self, now_ms: i64) -> Status {
        let age = self.age_ms(now_ms);
        match (self.row.revoked_ms, age) {
            (Some(_), _) => Status::Revoked,
            (None, None) => Status::Enrolled,
            (None, Some(age)) if self.row.online => {
                if age > STALE_AFTER_MS {
                    Status::Stale
                } else {
                    Status::Online
                }
            }
            (None, Some(_)) => Status::Offline,
        }
    }

    /// Milliseconds since it was heard of.
    pub fn age_ms(&self, now_ms: i64) -> Option<i64> {
        self.row.last_seen_ms.map(|seen| now_ms.saturating_sub(seen).max(0))
    }

    /// The version of this model that it says it serves.
    pub fn serving(&self, name: &ModelName) -> Option<ModelRef> {
        let state = self.state.as_ref()?;
        state.serving.iter().map(|serving| &serving.model).find(|model| model.name == *name).cloned()
    }

    /// Its update of this model, as it says.
    pub fn update(&self, name: &ModelName) -> Option<UpdateReport> {
        self.state.as_ref()?.updates.iter().find(|update| update.model.name == *name).cloned()
    }

    /// What the decider of rollouts sees of it.
    pub fn view(&self, name: &ModelName) -> DeviceView {
        DeviceView {
            id: self.id.clone(),
            online: self.row.online,
            revoked: self.row.revoked_ms.is_some(),
            serving: self.serving(name),
            update: self.update(name),
            last_seen_ms: self.row.state_received_ms.unwrap_or(0),
        }
    }
}

/// Every device, in the order of names.
pub fn all(db: &Connection) -> rusqlite::Result<Vec<Known>> {
    Ok(devices::list(db, "", u32::MAX)?.into_iter().filter_map(Known::new).collect())
}

/// One device by name.
pub fn find(db: &Connection, id: &str) -> rusqlite::Result<Option<Known>> {
    Ok(devices::get(db, id)?.and_then(Known::new))
}
