//! Steps to the current schema. A step is applied once and never edited after it was published.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number; files are `NNN_name.sql`.
    pub number: u32,
    /// What it brings.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

/// All steps, in the order they are applied.
pub const ALL: &[Migration] = &[
    Migration { number: 1, name: "core", sql: include_str!("migrations/001_core.sql") },
    Migration { number: 2, name: "work", sql: include_str!("migrations/002_work.sql") },
    Migration { number: 3, name: "once", sql: include_str!("migrations/003_once.sql") },
];

/// Applies what is missing, each step in a transaction of its own.
///
/// # Errors
/// [`StoreError::Newer`] if the file holds a step that `steps` lacks, [`StoreError::Migration`] if one fails.
pub fn run(connection: &mut Connection, path: &Path, steps: &'static [Migration]) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
    )?;
    let applied: Vec<u32> = connection
        .prepare("SELECT number FROM migrations")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = steps.iter().map(|step| step.number).max().unwrap_or(0);
    let foreign = applied.iter().find(|number| !steps.iter().any(|step| step.number == **number));
    if let Some(found) = foreign.copied().or((version > known).then_some(version)) {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    for step in steps.iter().filter(|step| !applied.contains(&step.number)) {
        apply(connection, step, known).map_err(|source| StoreError::Migration {
            number: step.number,
            name: step.name,
            source,
        })?;
    }
    Ok(())
}

fn apply(connection: &mut Connection, step: &Migration, known: u32) -> rusqlite::Result<()> {
    let tx = connection.transaction()?;
    tx.execute_batch(step.sql)?;
    tx.execute("INSERT INTO migrations (number, name) VALUES (?1, ?2)", (step.number, step.name))?;
    tx.pragma_update(None, "user_version", known)?;
    tx.commit()
}
