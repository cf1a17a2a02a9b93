//! Events: what devices tell, and what the server noticed about them.

use rusqlite::{Connection, Row, Transaction, params};

/// An event to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The device's name.
    pub device: String,
    /// Boot and sequence of the record; none for an event of the server's own.
    pub record: Option<(u64, u64)>,
    /// When it happened, milliseconds since 1970.
    pub at_ms: i64,
    /// A stable word to filter by.
    pub code: String,
    /// `info`, `warning` or `error`.
    pub severity: &'static str,
    /// One sentence for people.
    pub message: String,
    /// The message as it came from the device.
    pub body: Option<Vec<u8>>,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Order of arrival.
    pub arrival: i64,
    /// The device's name.
    pub device: String,
    /// When it happened, by the device's clock.
    pub at_ms: i64,
    /// When it came, by the server's clock.
    pub received_ms: i64,
    /// A stable word to filter by.
    pub code: String,
    /// `info`, `warning` or `error`.
    pub severity: String,
    /// One sentence for people.
    pub message: String,
    /// The message as it came from the device; none for an event of the server's own.
    pub body: Option<Vec<u8>>,
}

/// Stores an event, once: `Some(arrival)` if it is new.
pub fn put(tx: &Transaction<'_>, event: &NewEvent, now_ms: i64) -> rusqlite::Result<Option<i64>> {
    let (boot, sequence) = event.record.map(|(b, s)| (b.cast_signed(), s.cast_signed())).unzip();
    let changed = tx
        .prepare_cached(
            "INSERT INTO events (device, boot, sequence, at_ms, received_ms, code, severity, message, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            event.device,
            boot,
            sequence,
            event.at_ms,
            now_ms,
            event.code,
            event.severity,
            event.message,
            event.body
        ])?;
    Ok((changed > 0).then(|| tx.last_insert_rowid()))
}

fn event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        arrival: row.get(0)?,
        device: row.get(1)?,
        at_ms: row.get(2)?,
        received_ms: row.get(3)?,
        code: row.get(4)?,
        severity: row.get(5)?,
        message: row.get(6)?,
        body: row.get(7)?,
    })
}

const COLUMNS: &str = "arrival, device, at_ms, received_ms, code, severity, message, body";

/// Events that arrived after `arrival`, oldest first.
pub fn since(db: &Connection, arrival: i64, limit: u32) -> rusqlite::Result<Vec<EventRow>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM events WHERE arrival > ?1 ORDER BY arrival LIMIT ?2"))?
        .query_map(params![arrival, limit], event)?
        .collect()
}

/// The latest events of one device, newest first.
pub fn latest(db: &Connection, device: &str, limit: u32) -> rusqlite::Result<Vec<EventRow>> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events WHERE device = ?1 ORDER BY arrival DESC LIMIT ?2"
    ))?
    .query_map(params![device, limit], event)?
    .collect()
}

/// Deletes events that arrived before `before_ms`. Returns how many.
pub fn delete_before(tx: &Transaction<'_>, before_ms: i64) -> rusqlite::Result<usize> {
    tx.execute("DELETE FROM events WHERE received_ms < ?1", [before_ms])
}
