//! Where things lie in the server's folder.

use std::path::{Path, PathBuf};

/// The server's folder, as `init` makes it.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident => $path:literal),* $(,)?) => {
        $($(#[$doc])* pub fn $name(&self) -> PathBuf { self.0.join($path) })*
    };
}

impl Folder {
    /// The folder at `path`, whether it is there or not.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    places! {
        /// Settings.
        config => "server.toml",
        /// The certificate authority's certificate.
        ca_certificate => "ca/ca.pem",
        /// The certificate authority's private key.
        ca_key => "ca/ca-key.pem",
        /// The server's own certificate, followed by the authority's.
        tls_certificate => "tls/server.pem",
        /// The server's own private key.
        tls_key => "tls/server-key.pem",
        /// The key that signs which metadata versions belong together.
        snapshot_key => "keys/snapshot.pk8",
        /// The key that signs that the metadata is the newest.
        timestamp_key => "keys/timestamp.pk8",
        /// The database.
        database => "store.db",
        /// Bundles and datasets.
        objects => "objects",
        /// Published TUF metadata.
        metadata => "tuf/metadata",
        /// What a running server tells about itself: address, port, process.
        run_file => "run.json",
    }
}
