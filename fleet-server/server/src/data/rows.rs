//! Datasets as they stand in the database.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

/// A dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DatasetRow {
    /// SHA-256 of the file.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Rows below the header.
    pub rows: u64,
    /// Column names.
    pub columns: Vec<String>,
    /// When it came, milliseconds since 1970.
    pub created_ms: i64,
}

fn read(row: &Row<'_>) -> rusqlite::Result<DatasetRow> {
    let columns: String = row.get(3)?;
    Ok(DatasetRow {
        id: row.get(0)?,
        name: row.get(1)?,
        rows: row.get::<_, i64>(2)?.cast_unsigned(),
        columns: serde_json::from_str(&columns).unwrap_or_default(),
        created_ms: row.get(4)?,
    })
}

/// All datasets, the newest first.
pub fn list(db: &Connection) -> rusqlite::Result<Vec<DatasetRow>> {
    db.prepare_cached(
        "SELECT id, name, rows, columns, created_ms FROM datasets ORDER BY created_ms DESC, rowid DESC",
    )?
    .query_map([], read)?
    .collect()
}

/// A dataset by its id, by the beginning of it (8 characters at least), or by its name, the newest of that name.
pub fn find(db: &Connection, wanted: &str) -> rusqlite::Result<Option<DatasetRow>> {
    db.prepare_cached(
        "SELECT id, name, rows, columns, created_ms FROM datasets
         WHERE id = ?1 OR name = ?1 OR (length(?1) >= 8 AND substr(id, 1, length(?1)) = ?1)
         ORDER BY id = ?1 DESC, created_ms DESC, rowid DESC LIMIT 1",
    )?
    .query_row([wanted], read)
    .optional()
}

/// Adds a dataset; the same file under another name takes the new name.
pub fn put(db: &Connection, row: &DatasetRow) -> rusqlite::Result<()> {
    let columns = serde_json::to_string(&row.columns).unwrap_or_default();
    db.prepare_cached(
        "INSERT INTO datasets (id, name, rows, columns, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    )?
    .execute(params![row.id, row.name, row.rows.cast_signed(), columns, row.created_ms])?;
    Ok(())
}
