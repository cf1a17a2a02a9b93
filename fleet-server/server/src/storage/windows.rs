//! Windows: one row per device and window, keyed by start second and device number, the CBOR body as a blob.
//!
//! A key that another record holds already is resolved by a later second that is free. An index over device, boot and
//! sequence knows a record that is there already.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// Seconds are shifted by this many bits to leave room for the device number.
const DEVICE_BITS: u32 = 24;
/// Highest second that fits a key beside the device number.
const MAX_SECOND: i64 = i64::MAX >> DEVICE_BITS;
/// Consecutive seconds that are tried before a window goes behind the device's latest one.
const PROBES: i64 = 64;

/// A window to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWindow {
    /// The device's number.
    pub device: i64,
    /// Boot of the record.
    pub boot: u64,
    /// Sequence of the record.
    pub sequence: u64,
    /// The model, as `name-version`.
    pub model: String,
    /// Start, milliseconds since 1970 by the device's clock.
    pub start_ms: i64,
    /// When it came, milliseconds since 1970 by the server's clock.
    pub received_ms: i64,
    /// The message as it came: CBOR of `protocol::message::Window` with its version envelope.
    pub body: Vec<u8>,
}

/// A stored window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRow {
    /// Its key.
    pub key: i64,
    /// The device's number.
    pub device: i64,
    /// The model, as `name-version`.
    pub model: String,
    /// The message as it came.
    pub body: Vec<u8>,
}

/// When a window came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Counts up with each window.
    pub number: i64,
    /// Milliseconds since 1970 by the server's clock.
    pub received_ms: i64,
}

/// The first key of a second, clamped to what a key can hold.
pub fn key_of(start_ms: i64, device: i64) -> i64 {
    (start_ms.div_euclid(1000).clamp(0, MAX_SECOND) << DEVICE_BITS) | device
}

/// Keys of all windows that start at `from_ms` or later and before `to_ms`.
fn keys(from_ms: i64, to_ms: i64) -> (i64, i64) {
    let end = to_ms.saturating_add(999);
    (key_of(from_ms, 0), key_of(end, 0))
}

/// Stores a window, once: `Some(key)` if it is new.
pub fn put(tx: &Transaction<'_>, window: &NewWindow) -> rusqlite::Result<Option<i64>> {
    let known = tx
        .prepare_cached("SELECT 1 FROM windows WHERE device = ?1 AND boot = ?2 AND sequence = ?3")?
        .exists(params![window.device, window.boot.cast_signed(), window.sequence.cast_signed()])?;
    if known {
        return Ok(None);
    }
    let key = free_key(tx, key_of(window.start_ms, window.device), window.device)?;
    insert(tx, key, window).map(Some)
}

/// The key itself, the next second's that is free, or, in a crowd, the one behind the device's latest window.
fn free_key(tx: &Transaction<'_>, key: i64, device: i64) -> rusqlite::Result<i64> {
    let mut taken = tx.prepare_cached("SELECT 1 FROM windows WHERE key = ?1")?;
    let seconds = |from: i64| (0..PROBES).map_while(move |step| from.checked_add(step << DEVICE_BITS));
    for key in seconds(key) {
        if !taken.exists([key])? {
            return Ok(key);
        }
    }
    let latest: i64 = tx
        .prepare_cached("SELECT MAX(key) FROM windows INDEXED BY windows_of_device WHERE device = ?1")?
        .query_row([device], |row| row.get(0))?;
    match latest.checked_add(1 << DEVICE_BITS) {
        Some(behind) => Ok(behind),
        // Somebody filled the end of time: the first gap from the beginning is as good as any.
        None => tx
            .prepare_cached(
                "SELECT MIN(a.key) + 16777216 FROM windows a INDEXED BY windows_of_device
                 WHERE a.device = ?1 AND NOT EXISTS (SELECT 1 FROM windows b WHERE b.key = a.key + 16777216)",
            )?
            .query_row([device], |row| row.get(0)),
    }
}

fn insert(tx: &Transaction<'_>, key: i64, window: &NewWindow) -> rusqlite::Result<i64> {
    tx.prepare_cached(
        "INSERT INTO windows (key, device, boot, sequence, model, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        key,
        window.device,
        window.boot.cast_signed(),
        window.sequence.cast_signed(),
        window.model,
        window.body
    ])?;
    tx.prepare_cached("INSERT INTO arrivals (window, received_ms) VALUES (?1, ?2)")?
        .execute([key, window.received_ms])?;
    Ok(key)
}

fn window(row: &Row<'_>) -> rusqlite::Result<WindowRow> {
    Ok(WindowRow { key: row.get(0)?, device: row.get(1)?, model: row.get(2)?, body: row.get(3)? })
}

/// Windows of all devices that start in `[from_ms, to_ms)`, in order, at most `limit`.
pub fn between(db: &Connection, from_ms: i64, to_ms: i64, limit: u32) -> rusqlite::Result<Vec<WindowRow>> {
    let (from, to) = keys(from_ms, to_ms);
    db.prepare_cached(
        "SELECT key, device, model, body FROM windows WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
    )?
    .query_map(params![from, to, limit], window)?
    .collect()
}

/// Windows of one device that start in `[from_ms, to_ms)`, in order, at most `limit`.
pub fn of_device(
    db: &Connection,
    device: i64,
    from_ms: i64,
    to_ms: i64,
    limit: u32,
) -> rusqlite::Result<Vec<WindowRow>> {
    let (from, to) = keys(from_ms, to_ms);
    db.prepare_cached(
        "SELECT key, device, model, body FROM windows INDEXED BY windows_of_device
         WHERE device = ?1 AND key >= ?2 AND key < ?3 ORDER BY key LIMIT ?4",
    )?
    .query_map(params![device, from, to, limit], window)?
    .collect()
}

/// Windows that arrived after `arrival`, in the order of arrival, at most `limit`, each with its arrival.
pub fn since(db: &Connection, arrival: i64, limit: u32) -> rusqlite::Result<Vec<(Arrival, WindowRow)>> {
    db.prepare_cached(
        "SELECT key, device, model, body, arrival, received_ms FROM arrivals JOIN windows ON key = window
         WHERE arrival > ?1 ORDER BY arrival LIMIT ?2",
    )?
    .query_map(params![arrival, limit], |row| {
        Ok((Arrival { number: row.get(4)?, received_ms: row.get(5)? }, window(row)?))
    })?
    .collect()
}

/// The latest arrival, 0 if there was none.
pub fn last_arrival(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("SELECT COALESCE(MAX(arrival), 0) FROM arrivals", [], |row| row.get(0))
}

/// Deletes windows that arrived before `before_ms`, whatever their devices' clocks said. Returns how many.
pub fn delete_before(tx: &Transaction<'_>, before_ms: i64) -> rusqlite::Result<usize> {
    // Arrivals are in the order of time: this reads what is deleted and one row more.
    let kept: i64 = tx
        .query_row(
            "SELECT arrival FROM arrivals WHERE received_ms >= ?1 ORDER BY arrival LIMIT 1",
            [before_ms],
            |row| row.get(0),
        )
        .optional()?
        .unwrap_or(i64::MAX);
    let deleted = tx.execute(
        "DELETE FROM windows WHERE key IN (SELECT window FROM arrivals WHERE arrival < ?1)",
        [kept],
    )?;
    tx.execute("DELETE FROM arrivals WHERE arrival < ?1", [kept])?;
    Ok(deleted)
}
