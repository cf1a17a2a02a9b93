//! Who changed what, and when. Rows are only ever added; the database refuses anything else.
//!
//! A room records a change after it is durable. What is refused is not recorded here but as an event.

use rusqlite::params;
use serde::Serialize;

use crate::{
    clock::now_ms,
    storage::{Store, StoreError},
};

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = AuditEntry)]
pub struct Entry {
    /// Order of the entries.
    pub id: i64,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Who: a token's or session's label, `device NAME`, or `server`.
    pub who: String,
    /// A stable word: `device-enrolled`, `token-created`, `rollout-started`, …
    pub what: String,
    /// What it was done to.
    pub subject: String,
    /// Further values. Never secrets.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

/// The book of changes.
#[derive(Clone)]
pub struct Audit {
    store: Store,
}

impl Audit {
    /// The book in this database.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Adds a change.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn record(
        &self,
        who: &str,
        what: &'static str,
        subject: &str,
        detail: serde_json::Value,
    ) -> Result<(), StoreError> {
        tracing::info!(who, what, subject, "change");
        let (who, subject, now) = (who.to_owned(), subject.to_owned(), now_ms());
        self.store
            .write(move |tx| {
                tx.execute(
                    "INSERT INTO audit (at_ms, who, what, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![now, who, what, subject, detail.to_string()],
                )
                .map(drop)
            })
            .await
    }

    /// The latest changes before `before` (an entry's id; `i64::MAX` for the newest), newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn latest(&self, before: i64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.store
            .read(move |db| {
                db.prepare_cached(
                    "SELECT id, at_ms, who, what, subject, detail FROM audit WHERE id < ?1
                     ORDER BY id DESC LIMIT ?2",
                )?
                .query_map(params![before, limit], |row| {
                    let detail: String = row.get(5)?;
                    Ok(Entry {
                        id: row.get(0)?,
                        at_ms: row.get(1)?,
                        who: row.get(2)?,
                        what: row.get(3)?,
                        subject: row.get(4)?,
                        detail: serde_json::from_str(&detail).unwrap_or(serde_json::Value::Null),
                    })
                })?
                .collect()
            })
            .await
    }
}
