//! Samples: captured inputs with their answers.

use rusqlite::{Connection, Transaction, params};

/// A sample to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSample {
    /// The device's name.
    pub device: String,
    /// Boot of the record.
    pub boot: u64,
    /// Sequence of the record.
    pub sequence: u64,
    /// When it was captured, milliseconds since 1970 by the device's clock.
    pub at_ms: i64,
    /// The model, as `name-version`.
    pub model: String,
    /// Inference id, to join late labels by.
    pub inference: String,
    /// The message as it came: CBOR of `protocol::message::Sample` with its version envelope.
    pub body: Vec<u8>,
}

/// Stores a sample, once: whether it is new.
pub fn put(tx: &Transaction<'_>, sample: &NewSample, now_ms: i64) -> rusqlite::Result<bool> {
    let changed = tx
        .prepare_cached(
            "INSERT INTO samples (device, boot, sequence, at_ms, received_ms, model, inference, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            sample.device,
            sample.boot.cast_signed(),
            sample.sequence.cast_signed(),
            sample.at_ms,
            now_ms,
            sample.model,
            sample.inference,
            sample.body
        ])?;
    Ok(changed > 0)
}

/// Bodies of a model's samples captured in `[from_ms, to_ms)`, each with its device, oldest first.
pub fn of_model(
    db: &Connection,
    model: &str,
    from_ms: i64,
    to_ms: i64,
    limit: u32,
) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    db.prepare_cached(
        "SELECT device, body FROM samples WHERE model = ?1 AND at_ms >= ?2 AND at_ms < ?3
         ORDER BY at_ms LIMIT ?4",
    )?
    .query_map(params![model, from_ms, to_ms, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// Deletes samples that arrived before `before_ms`. Returns how many.
pub fn delete_before(tx: &Transaction<'_>, before_ms: i64) -> rusqlite::Result<usize> {
    tx.execute("DELETE FROM samples WHERE received_ms < ?1", [before_ms])
}
