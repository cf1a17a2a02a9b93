//! Files by their content: `xx/<sha256>`. Written once, never changed.

use std::{ops::Range, path::Path as FilePath, sync::Arc};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem, path::Path,
};
use ring::digest;

/// A store of files named by their SHA-256. Clones share it.
#[derive(Clone)]
pub struct Objects(Arc<dyn ObjectStore>);

/// A part of an object on its way out.
pub struct Part {
    /// Length of the whole object, bytes.
    pub length: u64,
    /// Which bytes follow.
    pub range: Range<u64>,
    /// The bytes.
    pub stream: BoxStream<'static, object_store::Result<Bytes>>,
}

impl Objects {
    /// A store in a local folder, which is made if it is missing. What is written is on disk when `put` returns.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn local(folder: &FilePath) -> object_store::Result<Self> {
        std::fs::create_dir_all(folder)
            .map_err(|source| object_store::Error::Generic { store: "folder", source: Box::new(source) })?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self(Arc::new(store)))
    }

    /// Stores bytes and gives their SHA-256 in hexadecimal.
    ///
    /// # Errors
    /// The store's.
    pub async fn put(&self, bytes: Bytes) -> object_store::Result<String> {
        let sha256 = sha256_hex(&bytes);
        let path = location(&sha256);
        let here = self.0.head(&path).await.is_ok_and(|meta| meta.size == bytes.len() as u64);
        if !here {
            self.0.put(&path, PutPayload::from_bytes(bytes)).await?;
        }
        Ok(sha256)
    }

    /// All bytes of an object.
    ///
    /// # Errors
    /// [`object_store::Error::NotFound`], or the store's.
    pub async fn bytes(&self, sha256: &str) -> object_store::Result<Bytes> {
        self.0.get(&location(sha256)).await?.bytes().await
    }

    /// An object, or a part of it, as a stream.
    ///
    /// # Errors
    /// [`object_store::Error::NotFound`], or the store's.
    pub async fn stream(&self, sha256: &str, range: Option<Range<u64>>) -> object_store::Result<Part> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.0.get_opts(&location(sha256), options).await?;
        Ok(Part { length: found.meta.size, range: found.range.clone(), stream: found.into_stream() })
    }
}

fn location(sha256: &str) -> Path {
    Path::from_iter([sha256.get(..2).unwrap_or("xx"), sha256])
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
