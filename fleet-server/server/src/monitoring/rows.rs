//! Alerts as they stand in the database.

use dunlin_monitoring::{Alert, AlertChange, AlertState, Finding, Severity};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AlertRow {
    /// Its number.
    pub id: i64,
    /// What kind: `drift`, `sensor-fault`, `accuracy`, `device-offline`.
    pub kind: String,
    /// `notice`, `warning` or `critical`.
    pub severity: String,
    /// Model name.
    pub model: Option<String>,
    /// Feature name.
    pub feature: Option<String>,
    /// Device name.
    pub device: Option<String>,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
    /// When it was last found to hold.
    pub last_ms: i64,
    /// One sentence.
    pub message: String,
    /// `open`, `acknowledged` or `closed`.
    pub state: String,
}

const COLUMNS: &str =
    "SELECT id, kind, severity, model, feature, device, since_ms, last_ms, message, state FROM alerts";

fn read(row: &Row<'_>) -> rusqlite::Result<AlertRow> {
    Ok(AlertRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        severity: row.get(2)?,
        model: row.get(3)?,
        feature: row.get(4)?,
        device: row.get(5)?,
        since_ms: row.get(6)?,
        last_ms: row.get(7)?,
        message: row.get(8)?,
        state: row.get(9)?,
    })
}

/// Alerts, the newest first; closed ones only with `all`. At most 1000.
pub fn list(db: &Connection, all: bool) -> rusqlite::Result<Vec<AlertRow>> {
    db.prepare_cached(&format!("{COLUMNS} WHERE ?1 OR state <> 'closed' ORDER BY id DESC LIMIT 1000"))?
        .query_map([all], read)?
        .collect()
}

/// Alerts that nobody acknowledged.
pub fn open_count(db: &Connection) -> rusqlite::Result<usize> {
    db.query_row("SELECT count(*) FROM alerts WHERE state = 'open'", [], |row| row.get(0))
}

/// Somebody knows. `None` if there is no such alert; one that is closed stays so.
pub fn acknowledge(db: &Connection, id: i64) -> rusqlite::Result<Option<AlertRow>> {
    db.execute("UPDATE alerts SET state = 'acknowledged' WHERE id = ?1 AND state = 'open'", [id])?;
    db.query_row(&format!("{COLUMNS} WHERE id = ?1"), [id], read).optional()
}

/// The alerts that are not closed, as the decider of alerts sees them.
pub fn followed(db: &Connection) -> rusqlite::Result<Vec<Alert>> {
    db.prepare_cached(&format!("{COLUMNS} WHERE state <> 'closed' ORDER BY id DESC"))?
        .query_map([], |row| read(row).map(AlertRow::into_alert))?
        .collect()
}

impl AlertRow {
    fn into_alert(self) -> Alert {
        let severity = match self.severity.as_str() {
            "critical" => Severity::Critical,
            "warning" => Severity::Warning,
            _ => Severity::Notice,
        };
        let state = match self.state.as_str() {
            "acknowledged" => AlertState::Acknowledged,
            "closed" => AlertState::Closed,
            _ => AlertState::Open,
        };
        let finding = Finding {
            kind: self.kind,
            severity,
            model: self.model.and_then(|text| text.parse().ok()),
            feature: self.feature,
            device: self.device.and_then(|text| text.parse().ok()),
            since_ms: self.since_ms,
            message: self.message,
        };
        Alert { id: self.id.to_string(), finding, last_ms: self.last_ms, state }
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

/// Stores a change of the list. Returns the alert's number.
pub fn apply(db: &Connection, change: &AlertChange) -> rusqlite::Result<i64> {
    match change {
        AlertChange::Open(alert) => {
            let finding = &alert.finding;
            db.prepare_cached(
                "INSERT INTO alerts (key, kind, severity, model, feature, device, since_ms, last_ms, message, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'open')",
            )?
            .execute(params![
                finding.key(),
                finding.kind,
                severity(finding.severity),
                finding.model.as_ref().map(|name| name.as_str()),
                finding.feature,
                finding.device.as_ref().map(|id| id.as_str()),
                finding.since_ms,
                alert.last_ms,
                finding.message,
            ])?;
            Ok(db.last_insert_rowid())
        }
        AlertChange::Update(alert) | AlertChange::Close(alert) => {
            let id: i64 = alert.id.parse().unwrap_or(0);
            // A person may have acknowledged it since it was read; only what got worse opens it again.
            let state = match (change, alert.state) {
                (AlertChange::Close(_), _) => Some("closed"),
                (_, AlertState::Open) => Some("open"),
                _ => None,
            };
            let finding = &alert.finding;
            db.prepare_cached(
                "UPDATE alerts SET last_ms = ?2, message = ?3, since_ms = ?4,
                   state = CASE WHEN ?6 = 'closed' THEN 'closed'
                                WHEN ?6 = 'open' AND severity <> ?5 THEN 'open' ELSE state END,
                   severity = ?5 WHERE id = ?1",
            )?
            .execute(params![
                id,
                alert.last_ms,
                finding.message,
                finding.since_ms,
                severity(finding.severity),
                state
            ])?;
            Ok(id)
        }
    }
}
