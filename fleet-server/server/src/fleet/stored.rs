//! Rollouts as they stand in the database.

use dunlin_rollout::{DeviceProgress, Group, Rollout};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

/// The start of the period that is judged, as a place in the order of arrivals: windows that came before it do not
/// count, whatever the devices' clocks say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The period, as [`dunlin_rollout::Watch::phases`] counts them.
    #[serde(default)]
    pub phases: u32,
    /// The period's begin, milliseconds since 1970.
    pub since_ms: i64,
    /// The last arrival before it.
    pub arrival: i64,
}

/// What people see of a group's health.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Summary {
    /// Devices that reported.
    pub devices: usize,
    /// Inferences that gave an answer.
    pub inferences: u64,
    /// Inferences that failed.
    pub failures: u64,
    /// Answers whose truth is known.
    pub labels: u64,
    /// Share of wrong answers among those.
    pub error_ratio: Option<f64>,
    /// Mean confidence of the answers.
    pub confidence: Option<f64>,
    /// 99th percentile of latency, microseconds.
    pub latency_p99_us: Option<f64>,
}

impl From<&Group> for Summary {
    fn from(group: &Group) -> Self {
        Self {
            devices: group.devices.len(),
            inferences: group.inferences(),
            failures: group.failures(),
            labels: group.labels().count,
            error_ratio: group.error_ratio(),
            confidence: group.mean_confidence(),
            latency_p99_us: group.latency().quantile(0.99),
        }
    }
}

/// A rollout with what the server keeps beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRollout {
    /// What the decider needs.
    pub rollout: Rollout,
    /// Whether it is meant for every device; then its model becomes champion.
    pub fleet_wide: bool,
    /// Who asked for it.
    pub who: String,
    /// Where it stands, in one sentence.
    pub sentence: String,
    /// Start of the period that is judged.
    #[serde(default)]
    pub mark: Mark,
    /// When each wave began, milliseconds since 1970.
    #[serde(default)]
    pub begun_ms: Vec<i64>,
    /// When it ended.
    #[serde(default)]
    pub ended_ms: Option<i64>,
    /// The control group, as last judged.
    #[serde(default)]
    pub control: Summary,
    /// The devices with the new model, as last judged.
    #[serde(default)]
    pub treatment: Summary,
}

fn damaged(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredRollout> {
    serde_json::from_str(&row.get::<_, String>(0)?).map_err(damaged)
}

/// Stores a rollout.
pub fn put(db: &Connection, stored: &StoredRollout) -> rusqlite::Result<()> {
    let body = serde_json::to_string(stored).map_err(damaged)?;
    let rollout = &stored.rollout;
    db.prepare_cached(
        "INSERT INTO rollouts (id, model, created_ms, ended_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET ended_ms = excluded.ended_ms, body = excluded.body",
    )?
    .execute(params![
        rollout.id,
        rollout.model.to_string(),
        rollout.created_ms,
        stored.ended_ms,
        body
    ])?;
    Ok(())
}

/// All rollouts, the latest begun first, whatever the clock said. One that cannot be read is left out, and said so:
/// it must not hold up all others.
pub fn list(db: &Connection) -> rusqlite::Result<Vec<StoredRollout>> {
    let mut statement = db.prepare_cached("SELECT body FROM rollouts ORDER BY rowid DESC")?;
    let rows = statement.query_map([], |row| {
        Ok(read(row).inspect_err(|error| tracing::error!(%error, "a stored rollout cannot be read")).ok())
    })?;
    rows.filter_map(Result::transpose).collect()
}

/// One rollout.
pub fn find(db: &Connection, id: &str) -> rusqlite::Result<Option<StoredRollout>> {
    db.prepare_cached("SELECT body FROM rollouts WHERE id = ?1")?.query_row([id], read).optional()
}

/// The latest rollout of each model name: the only ones that may be decided on.
pub fn latest(rollouts: Vec<StoredRollout>) -> Vec<StoredRollout> {
    let mut names = std::collections::BTreeSet::new();
    rollouts.into_iter().filter(|stored| names.insert(stored.rollout.model.name.clone())).collect()
}

/// The word that is stored for a device's progress.
pub fn word(progress: DeviceProgress) -> &'static str {
    match progress {
        DeviceProgress::Waiting => "waiting",
        DeviceProgress::Pending => "pending",
        DeviceProgress::Installing => "installing",
        DeviceProgress::Success => "success",
        DeviceProgress::Failure => "failure",
        DeviceProgress::GoingBack => "going-back",
        DeviceProgress::Back => "back",
        DeviceProgress::Revoked => "revoked",
    }
}

/// Notes where devices stand; since when stays where nothing changed.
pub fn put_progress(
    db: &Connection,
    rollout: &str,
    devices: &[(String, DeviceProgress)],
    now_ms: i64,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(
        "INSERT INTO rollout_devices (rollout, device, state, since_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (rollout, device) DO UPDATE SET state = excluded.state, since_ms = excluded.since_ms
         WHERE state <> excluded.state",
    )?;
    for (device, progress) in devices {
        statement.execute(params![rollout, device, word(*progress), now_ms])?;
    }
    Ok(())
}

/// Where devices stand: name, state, since when.
pub fn progress_of(db: &Connection, rollout: &str) -> rusqlite::Result<Vec<(String, String, i64)>> {
    db.prepare_cached(
        "SELECT device, state, since_ms FROM rollout_devices WHERE rollout = ?1 ORDER BY device",
    )?
    .query_map([rollout], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
    .collect()
}
