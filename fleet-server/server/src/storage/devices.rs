//! Devices and what each of them should run.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// Highest device number; numbers share a 64-bit window key with seconds.
pub const MAX_NUMBER: i64 = (1 << 24) - 1;

/// A device as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Small number that windows are keyed by.
    pub number: i64,
    /// The name.
    pub id: String,
    /// SHA-256 of the certificate that may connect.
    pub certificate: Vec<u8>,
    /// Fingerprint words of its key, separated by spaces.
    pub words: String,
    /// When it was enrolled last, milliseconds since 1970.
    pub enrolled_ms: i64,
    /// When it was revoked, if it is.
    pub revoked_ms: Option<i64>,
    /// Whether it is connected and says so.
    pub online: bool,
    /// When anything was last heard from it, by the server's clock.
    pub last_seen_ms: Option<i64>,
    /// The boot its latest state is from.
    pub state_boot: Option<u64>,
    /// When that state came, by the server's clock.
    pub state_received_ms: Option<i64>,
    /// The latest state, as CBOR of `protocol::message::State` with its version envelope.
    pub state: Option<Vec<u8>>,
}

const COLUMNS: &str = "number, id, certificate, words, enrolled_ms, revoked_ms, online, last_seen_ms, \
                       state_boot, state_received_ms, state";

fn device(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    Ok(DeviceRow {
        number: row.get(0)?,
        id: row.get(1)?,
        certificate: row.get(2)?,
        words: row.get(3)?,
        enrolled_ms: row.get(4)?,
        revoked_ms: row.get(5)?,
        online: row.get(6)?,
        last_seen_ms: row.get(7)?,
        state_boot: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
        state_received_ms: row.get(9)?,
        state: row.get(10)?,
    })
}

/// One device by name.
pub fn get(db: &Connection, id: &str) -> rusqlite::Result<Option<DeviceRow>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM devices WHERE id = ?1"))?
        .query_row([id], device)
        .optional()
}

/// One device by number.
pub fn by_number(db: &Connection, number: i64) -> rusqlite::Result<Option<DeviceRow>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM devices WHERE number = ?1"))?
        .query_row([number], device)
        .optional()
}

/// Up to `limit` devices in the order of their names, those after `after`.
pub fn list(db: &Connection, after: &str, limit: u32) -> rusqlite::Result<Vec<DeviceRow>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM devices WHERE id > ?1 ORDER BY id LIMIT ?2"))?
        .query_map(params![after, limit], device)?
        .collect()
}

/// Enrols a device, or gives one that is known a new certificate. Returns its number.
pub fn enrol(
    tx: &Transaction<'_>,
    id: &str,
    certificate: &[u8],
    words: &str,
    now_ms: i64,
) -> rusqlite::Result<i64> {
    tx.prepare_cached(
        "INSERT INTO devices (id, certificate, words, enrolled_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET certificate = ?2, words = ?3, enrolled_ms = ?4, revoked_ms = NULL
         RETURNING number",
    )?
    .query_row(params![id, certificate, words, now_ms], |row| row.get(0))
}

/// Takes a device's right to connect. Says whether it had it.
pub fn revoke(tx: &Transaction<'_>, id: &str, now_ms: i64) -> rusqlite::Result<bool> {
    let changed = tx.execute(
        "UPDATE devices SET revoked_ms = ?2, online = 0 WHERE id = ?1 AND revoked_ms IS NULL",
        params![id, now_ms],
    )?;
    Ok(changed > 0)
}

/// A device's number, for records that came from it.
pub fn number_of(db: &Connection, id: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT number FROM devices WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()
}

/// Keeps a state.
pub fn put_state(
    tx: &Transaction<'_>,
    id: &str,
    online: bool,
    boot: u64,
    state: &[u8],
    now_ms: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE devices SET online = ?2, state_boot = ?3, state = ?4, state_received_ms = ?5, last_seen_ms = ?5
         WHERE id = ?1",
    )?
    .execute(params![id, online, boot.cast_signed(), state, now_ms])?;
    Ok(())
}

/// Something was heard from a device.
pub fn seen(tx: &Transaction<'_>, id: &str, now_ms: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE devices SET last_seen_ms = ?2 WHERE id = ?1")?.execute(params![id, now_ms])?;
    Ok(())
}

/// A device's connection began or ended.
pub fn set_online(tx: &Transaction<'_>, id: &str, online: bool, now_ms: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE devices SET online = ?2, last_seen_ms = ?3 WHERE id = ?1")?
        .execute(params![id, online, now_ms])?;
    Ok(())
}

/// Nobody is connected, as is true when the server starts.
pub fn all_offline(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("UPDATE devices SET online = 0 WHERE online = 1", []).map(drop)
}

/// The generation and encoded body of what a device should run.
pub fn desired(db: &Connection, number: i64) -> rusqlite::Result<Option<(u64, Vec<u8>)>> {
    db.prepare_cached("SELECT generation, body FROM desired WHERE device = ?1")?
        .query_row([number], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)))
        .optional()
}

/// Keeps what a device should run, unless what is kept has the same or a later generation.
pub fn put_desired(
    tx: &Transaction<'_>,
    number: i64,
    generation: u64,
    body: &[u8],
) -> rusqlite::Result<bool> {
    let changed = tx
        .prepare_cached(
            "INSERT INTO desired (device, generation, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (device) DO UPDATE SET generation = ?2, body = ?3 WHERE generation < ?2",
        )?
        .execute(params![number, generation.cast_signed(), body])?;
    Ok(changed > 0)
}

/// What all devices that are not revoked should run: name and encoded body.
pub fn all_desired(db: &Connection) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    db.prepare(
        "SELECT id, body FROM desired JOIN devices ON number = device WHERE revoked_ms IS NULL ORDER BY id",
    )?
    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}
