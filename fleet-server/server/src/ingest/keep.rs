//! Records into rows. Everything of one message happens in one transaction, or not at all.

use dunlin_protocol::{
    DeviceId, MessageError,
    message::{Event, Sample, Severity, State, Window},
};
use rusqlite::Transaction;

use crate::storage::{Store, StoreError, devices, events, samples, windows};

/// Whether a record was stored now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Stored now.
    New,
    /// Was there already, or is older than what is there.
    Known,
    /// The device is not enrolled (any more).
    Stranger,
}

fn kept(new: bool) -> Kept {
    if new { Kept::New } else { Kept::Known }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Keeps a window.
///
/// # Errors
/// If the database cannot be written; nothing is stored then.
pub async fn window(
    store: &Store,
    device: &DeviceId,
    window: &Window,
    payload: &[u8],
    now_ms: i64,
) -> Result<Kept, StoreError> {
    let id = device.to_string();
    let mut row = windows::NewWindow {
        device: 0,
        boot: window.record.boot,
        sequence: window.record.sequence,
        model: window.model.to_string(),
        start_ms: window.start_ms,
        received_ms: now_ms,
        body: payload.to_vec(),
    };
    store
        .write(move |tx| {
            let Some(number) = devices::number_of(tx, &id)? else { return Ok(Kept::Stranger) };
            row.device = number;
            devices::seen(tx, &id, now_ms)?;
            Ok(kept(windows::put(tx, &row)?.is_some()))
        })
        .await
}

/// Keeps an event.
///
/// # Errors
/// If the database cannot be written; nothing is stored then.
pub async fn event(
    store: &Store,
    device: &DeviceId,
    event: &Event,
    payload: &[u8],
    now_ms: i64,
) -> Result<Kept, StoreError> {
    let row = events::NewEvent {
        device: device.to_string(),
        record: Some((event.record.boot, event.record.sequence)),
        at_ms: event.at_ms,
        code: event.code.clone(),
        severity: word(event.severity),
        message: event.message.clone(),
        body: Some(payload.to_vec()),
    };
    store
        .write(move |tx| known(tx, &row.device, now_ms, |tx| Ok(events::put(tx, &row, now_ms)?.is_some())))
        .await
}

/// Keeps a sample.
///
/// # Errors
/// If the database cannot be written; nothing is stored then.
pub async fn sample(
    store: &Store,
    device: &DeviceId,
    sample: &Sample,
    payload: &[u8],
    now_ms: i64,
) -> Result<Kept, StoreError> {
    let row = samples::NewSample {
        device: device.to_string(),
        boot: sample.record.boot,
        sequence: sample.record.sequence,
        at_ms: sample.at_ms,
        model: sample.model.to_string(),
        inference: sample.inference.clone(),
        body: payload.to_vec(),
    };
    store.write(move |tx| known(tx, &row.device, now_ms, |tx| samples::put(tx, &row, now_ms))).await
}

/// Keeps a state as the device's latest. Of a goodbye only that it is one: what the device runs it said before, in
/// full. One of an earlier boot changes nothing.
///
/// # Errors
/// If the database cannot be written; nothing is stored then.
pub async fn state(
    store: &Store,
    device: &DeviceId,
    state: &State,
    payload: &[u8],
    now_ms: i64,
) -> Result<Kept, StoreError> {
    let (id, online, boot, body) = (device.to_string(), state.online, state.boot, payload.to_vec());
    store
        .write(move |tx| {
            let Some(row) = devices::get(tx, &id)? else { return Ok(Kept::Stranger) };
            if !online && row.state_boot.is_some_and(|latest| latest != boot) {
                return Ok(Kept::Known);
            }
            if !online && row.state.is_some() {
                devices::set_online(tx, &id, false, now_ms)?;
                return Ok(Kept::New);
            }
            devices::put_state(tx, &id, online, boot, &body, now_ms)?;
            Ok(Kept::New)
        })
        .await
}

/// Keeps something the server itself noticed about a device.
///
/// # Errors
/// If the database cannot be written.
pub async fn noticed(
    store: &Store,
    device: &DeviceId,
    code: &'static str,
    message: String,
    now_ms: i64,
) -> Result<(), StoreError> {
    let row = events::NewEvent {
        device: device.to_string(),
        record: None,
        at_ms: now_ms,
        code: code.into(),
        severity: "warning",
        message,
        body: None,
    };
    store.write(move |tx| events::put(tx, &row, now_ms).map(drop)).await
}

fn known(
    tx: &Transaction<'_>,
    device: &str,
    now_ms: i64,
    put: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<bool>,
) -> rusqlite::Result<Kept> {
    if devices::number_of(tx, device)?.is_none() {
        return Ok(Kept::Stranger);
    }
    devices::seen(tx, device, now_ms)?;
    Ok(kept(put(tx)?))
}

/// What is wrong with a message, in one line.
pub fn reason(error: &MessageError) -> String {
    crate::error::chain(error)
}
