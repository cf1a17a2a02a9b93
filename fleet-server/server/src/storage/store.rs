//! The handle that rooms hold.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, OpenFlags, Transaction};

use super::{StoreError, migrate, reader::Readers, writer::Writer};

/// Connections that read at the same time.
const READERS: usize = 4;

/// The database. Clones share it; the writer ends when the last one is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writer: Writer,
    readers: Readers,
}

impl Store {
    /// Opens or makes the database and brings its schema up to date. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Newer`] or [`StoreError::Migration`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let mut connection = Connection::open(path).map_err(open)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 PRAGMA busy_timeout = 10000; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384;",
            )
            .map_err(open)?;
        migrate::run(&mut connection, path, migrate::ALL)?;
        let path = path.to_owned();
        let readers = Readers::new(READERS, move || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.execute_batch("PRAGMA busy_timeout = 10000; PRAGMA query_only = ON;")?;
            Ok(connection)
        });
        Ok(Self { inner: Arc::new(Inner { writer: Writer::start(connection), readers }) })
    }

    /// Runs `job` in a transaction, alone or with others that wait, and returns once it is on disk.
    /// A job that fails leaves nothing behind and does not disturb the others.
    ///
    /// # Errors
    /// [`StoreError::Sql`] if the job fails, [`StoreError::Commit`] if the disk does.
    pub async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.inner.writer.write(job).await
    }

    /// Runs `query` on a connection of its own, on a thread that may block.
    ///
    /// # Errors
    /// [`StoreError::Sql`] if it fails.
    pub async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.inner.readers.read(query).await
    }
}
