//! Taking and giving datasets.

use bytes::Bytes;
use dunlin_learning::{DataError, Dataset, Limits};

use super::rows::{self, DatasetRow};
use crate::{
    clock::now_ms,
    error::{ApiError, chain},
    registry::Objects,
    storage::{Store, StoreError},
};

/// Why a dataset was not taken or given.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The file cannot be trained on.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The name is none.
    #[error("dataset name {0:?} is not valid: 1 to 100 characters without control characters")]
    Name(String),
    /// There is no such dataset.
    #[error("there is no dataset {0:?} here")]
    Unknown(String),
    /// The object store failed.
    #[error("the object store failed")]
    Objects(#[from] object_store::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reader ended.
    #[error("the file could not be read to its end: {0}")]
    Reader(String),
}

impl From<DatasetError> for ApiError {
    fn from(error: DatasetError) -> Self {
        let message = error.to_string();
        match &error {
            DatasetError::Data(_) => {
                ApiError::refused("bad-csv", message, "correct the file and upload it again")
            }
            DatasetError::Name(_) => ApiError::bad_request("bad-name", message, "give `?name=weather_2001`"),
            DatasetError::Unknown(_) => {
                ApiError::not_found("unknown-dataset", message, "see `GET /api/v1/datasets`")
            }
            _ => ApiError::internal(chain(&error)),
        }
    }
}

/// The datasets of this server. Clones share them.
#[derive(Clone)]
pub struct Datasets {
    store: Store,
    objects: Objects,
}

impl Datasets {
    /// Joins rows and files.
    pub fn new(store: Store, objects: Objects) -> Self {
        Self { store, objects }
    }

    /// Takes a CSV file with a header.
    ///
    /// # Errors
    /// [`DatasetError::Data`] with line and column for a file that cannot be trained on.
    pub async fn add(&self, name: &str, bytes: Bytes) -> Result<DatasetRow, DatasetError> {
        let length = name.chars().count();
        if !(1..=100).contains(&length) || name.chars().any(char::is_control) {
            return Err(DatasetError::Name(name.chars().take(100).collect()));
        }
        let data = parse(bytes.clone()).await?;
        let row = DatasetRow {
            id: self.objects.put(bytes).await?,
            name: name.to_owned(),
            rows: data.rows() as u64,
            columns: data.columns().iter().map(|column| column.name.clone()).collect(),
            created_ms: now_ms(),
        };
        let kept = row.clone();
        self.store.write(move |db| rows::put(db, &kept)).await?;
        Ok(row)
    }

    /// All datasets, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> Result<Vec<DatasetRow>, DatasetError> {
        Ok(self.store.read(rows::list).await?)
    }

    /// A dataset by id, beginning of an id, or name.
    ///
    /// # Errors
    /// [`DatasetError::Unknown`] if there is none.
    pub async fn find(&self, wanted: &str) -> Result<DatasetRow, DatasetError> {
        let key = wanted.to_owned();
        let found = self.store.read(move |db| rows::find(db, &key)).await?;
        found.ok_or_else(|| DatasetError::Unknown(wanted.chars().take(100).collect()))
    }

    /// Its table.
    ///
    /// # Errors
    /// As [`Datasets::add`], and the object store's.
    pub async fn load(&self, row: &DatasetRow) -> Result<Dataset, DatasetError> {
        parse(self.objects.bytes(&row.id).await?).await
    }
}

async fn parse(bytes: Bytes) -> Result<Dataset, DatasetError> {
    let read = tokio::task::spawn_blocking(move || Dataset::read_csv(bytes.as_ref(), &Limits::default()));
    Ok(read.await.map_err(|error| DatasetError::Reader(error.to_string()))??)
}
