//! Where things lie in the server's folder, and the lock that keeps a second server out of it.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// Held while a server serves a folder. The system frees it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

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

    /// Takes the folder for this server.
    ///
    /// # Errors
    /// If another server has it, or the lock cannot be written.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        let (folder, path) = (self.0.display(), self.lock_file());
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        let file = opened.with_context(|| {
            format!("cannot write {}; is {folder} the folder of this user's server?", path.display())
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another dunlin-server serves {folder}{}; stop that one, or make another folder with \
                 `dunlin-server init FOLDER`",
                self.told().unwrap_or_default()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// What the server in this folder tells about itself, for people.
    fn told(&self) -> Option<String> {
        let told: serde_json::Value = serde_json::from_slice(&std::fs::read(self.run_file()).ok()?).ok()?;
        Some(format!(" at {} (process {})", told.get("https_url")?.as_str()?, told.get("pid")?))
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
        /// Locked while a server runs.
        lock_file => "server.lock",
        /// What a running server tells about itself: address, port, process.
        run_file => "run.json",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_served_by_one_server_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path());
        let told = r#"{"https_url": "https://here:1", "mqtt_port": 2, "pid": 3}"#;
        std::fs::write(folder.run_file(), told).unwrap();
        let lock = folder.lock().unwrap();
        let error = folder.lock().unwrap_err().to_string();
        assert!(error.contains(&place.path().display().to_string()), "{error}");
        assert!(error.contains("https://here:1 (process 3)") && error.contains("init"), "{error}");
        drop(lock);
        folder.lock().unwrap();
    }
}
