//! Jobs as they stand in the database.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::Value;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits.
    Queued,
    /// Works.
    Running,
    /// Ended with a result.
    Done,
    /// Ended without one.
    Failed,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct JobRow {
    /// Its id.
    pub id: String,
    /// What kind of work.
    pub kind: String,
    /// Where it stands.
    pub state: JobState,
    /// What was asked.
    #[schema(value_type = Object)]
    pub request: Value,
    /// Share done, 0 to 1.
    pub progress: f64,
    /// The step in words.
    pub step: String,
    /// What came out: `{model, metrics, baseline, champion, …}`.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was asked for, milliseconds since 1970.
    pub created_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
}

/// How often a job is taken up again after the server stopped under it.
const MAX_ATTEMPTS: i64 = 2;

const COLUMNS: &str =
    "SELECT id, kind, state, request, progress, step, result, error, created_ms, ended_ms FROM jobs";

fn read(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let (state, request): (String, String) = (row.get(2)?, row.get(3)?);
    let result: Option<String> = row.get(6)?;
    Ok(JobRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        state: match state.as_str() {
            "queued" => JobState::Queued,
            "running" => JobState::Running,
            "done" => JobState::Done,
            _ => JobState::Failed,
        },
        request: serde_json::from_str(&request).unwrap_or(Value::Null),
        progress: row.get(4)?,
        step: row.get(5)?,
        result: result.and_then(|text| serde_json::from_str(&text).ok()),
        error: row.get(7)?,
        created_ms: row.get(8)?,
        ended_ms: row.get(9)?,
    })
}

/// All jobs, the newest first.
pub fn list(db: &Connection) -> rusqlite::Result<Vec<JobRow>> {
    db.prepare_cached(&format!("{COLUMNS} ORDER BY created_ms DESC, rowid DESC"))?
        .query_map([], read)?
        .collect()
}

/// One job.
pub fn find(db: &Connection, id: &str) -> rusqlite::Result<Option<JobRow>> {
    db.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?.query_row([id], read).optional()
}

/// Adds a job that waits.
pub fn queue(db: &Connection, id: &str, kind: &str, request: &Value, now_ms: i64) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO jobs (id, kind, state, request, created_ms) VALUES (?1, ?2, 'queued', ?3, ?4)",
        params![id, kind, request.to_string(), now_ms],
    )
    .map(drop)
}

/// Takes the job that has waited longest; it is running from now on.
pub fn take(db: &Connection) -> rusqlite::Result<Option<JobRow>> {
    let id: Option<String> = db
        .query_row(
            "SELECT id FROM jobs WHERE state = 'queued' ORDER BY created_ms, rowid LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let Some(id) = id else { return Ok(None) };
    db.execute(
        "UPDATE jobs SET state = 'running', attempts = attempts + 1, progress = 0, step = '' WHERE id = ?1",
        [&id],
    )?;
    find(db, &id)
}

/// Notes how far a running job is.
pub fn progress(db: &Connection, id: &str, share: f64, step: &str) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE jobs SET progress = ?2, step = ?3 WHERE id = ?1 AND state = 'running'")?
        .execute(params![id, share, step])
        .map(drop)
}

/// Ends a job.
pub fn end(db: &Connection, id: &str, outcome: &Result<Value, String>, now_ms: i64) -> rusqlite::Result<()> {
    match outcome {
        Ok(result) => db.execute(
            "UPDATE jobs SET state = 'done', progress = 1, step = 'done', result = ?2, ended_ms = ?3 WHERE id = ?1",
            params![id, result.to_string(), now_ms],
        ),
        Err(error) => db.execute(
            "UPDATE jobs SET state = 'failed', error = ?2, ended_ms = ?3 WHERE id = ?1",
            params![id, error, now_ms],
        ),
    }
    .map(drop)
}

/// What was running when the server stopped waits again; what was taken up too often has failed.
pub fn recover(db: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE jobs SET state = 'failed', ended_ms = ?2,
           error = 'the server stopped while this job ran, ' || attempts || ' times; ask for it again' \
         WHERE state = 'running' AND attempts >= ?1",
        params![MAX_ATTEMPTS, now_ms],
    )?;
    db.execute("UPDATE jobs SET state = 'queued', progress = 0, step = '' WHERE state = 'running'", [])
        .map(drop)
}
