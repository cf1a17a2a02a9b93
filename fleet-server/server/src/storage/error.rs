//! Why the store did not do what was asked.

use std::path::PathBuf;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened.
    #[error("database {path} cannot be opened; check that the folder exists and that this user may write it", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// A later program wrote the file.
    #[error(
        "database {path} was written by a newer dunlin-server (schema {found}, this one knows up to {known}); \
         start the newer program, or go back to a copy from before the upgrade", path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The highest migration in the file.
        found: u32,
        /// The highest migration in this program.
        known: u32,
    },
    /// A step to the current schema failed; the database is as it was before the step.
    #[error("migration {number:03}_{name} failed")]
    Migration {
        /// Its number.
        number: u32,
        /// Its name.
        name: &'static str,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// A statement failed.
    #[error("the database refused a statement")]
    Sql(#[from] rusqlite::Error),
    /// The transaction could not be made durable. Nothing of it happened.
    #[error("the database could not be written: {0}; check that the disk is not full")]
    Commit(String),
    /// Another program holds the file. Nothing was changed.
    #[error("another program holds the database; end it, for example a backup or an open sqlite3")]
    Locked,
    /// The store is shutting down, or a statement crashed.
    #[error("the database is closed")]
    Closed,
}
