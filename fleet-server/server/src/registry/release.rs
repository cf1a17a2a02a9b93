//! From candidate to release: the owner's signed targets are checked and published.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use dunlin_protocol::{ModelRef, TargetName};
use dunlin_trust::{
    SigningKey,
    write::{OnlineKeys, Periods, Repository, Targets},
};
use jiff::Timestamp;
use tokio::task::{JoinError, spawn_blocking};

use super::{
    Registry, RegistryError,
    rows::{self, ModelRow, Stage},
};
use crate::folder::Folder;

/// The signed metadata that this server publishes.
pub struct Releases {
    repository: Repository,
}

impl Releases {
    /// Opens the repository with the server's own two keys. Blocks on the disk.
    ///
    /// # Errors
    /// [`RegistryError::Trust`] if a key or metadata file is missing or damaged.
    pub fn open(folder: &Folder) -> Result<Self, RegistryError> {
        let keys = OnlineKeys {
            timestamp: SigningKey::load(&folder.timestamp_key())?,
            snapshot: SigningKey::load(&folder.snapshot_key())?,
        };
        let repository = Repository::open(&folder.metadata(), keys, Periods::default())?;
        Ok(Self { repository })
    }

    /// The folder of metadata.
    pub fn folder(&self) -> &Path {
        self.repository.dir()
    }

    /// Renews the server's own signatures if half of their time is over.
    ///
    /// # Errors
    /// [`RegistryError::Trust`] if the disk fails.
    pub fn refresh(&mut self, now: Timestamp) -> Result<bool, RegistryError> {
        Ok(self.repository.refresh_online_roles(now)?)
    }
}

/// A published file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub length: u64,
}

/// The models that `offered` releases and `current` does not, each of which must be a probed candidate (or a
/// release) of the same length and hash.
///
/// # Errors
/// [`RegistryError::Target`] for the first that is not.
pub fn newly_released(
    current: &Targets,
    offered: &Targets,
    known: &[ModelRow],
) -> Result<Vec<ModelRef>, RegistryError> {
    let mut released = Vec::new();
    for name in offered.body().names() {
        let Some((length, sha256, _)) = offered.body().get(name) else {
            return Err(refuse(name, "it has no SHA-256".into()));
        };
        let same = |(l, s, _): (u64, &str, Option<&serde_json::Value>)| l == length && s == sha256;
        if current.body().get(name).is_some_and(same) {
            continue;
        }
        let target: TargetName = name.parse().map_err(|error| refuse(name, format!("{error}")))?;
        let model = target.model();
        let row = known
            .iter()
            .find(|row| row.model == *model)
            .ok_or_else(|| refuse(name, format!("no bundle of {model} was pushed here")))?;
        if row.stage == Stage::Rejected {
            return Err(refuse(name, format!("{model} failed its probe")));
        }
        if row.length != length || !row.sha256.eq_ignore_ascii_case(sha256) {
            let reason = format!(
                "the signed hash {sha256} ({length} bytes) is not that of the probed bundle, {} ({} bytes)",
                row.sha256, row.length
            );
            return Err(refuse(name, reason));
        }
        released.push(model.clone());
    }
    Ok(released)
}

fn refuse(target: &str, reason: String) -> RegistryError {
    RegistryError::Target { target: target.chars().take(200).collect(), reason }
}

fn crashed(error: JoinError) -> RegistryError {
    RegistryError::Damaged(error.to_string())
}

impl Registry {
    /// The current signed targets, byte for byte as published.
    ///
    /// # Errors
    /// [`RegistryError::Trust`] if they cannot be read.
    pub async fn targets(&self) -> Result<Vec<u8>, RegistryError> {
        let releases = self.releases.lock().await;
        let version = releases.repository.targets().body().version();
        let path = releases.folder().join(format!("{version}.targets.json"));
        tokio::fs::read(&path)
            .await
            .map_err(|error| RegistryError::Damaged(format!("{}: {error}", path.display())))
    }

    /// Publishes targets that the owner signed, and says which models became releases by it. Marking them in the
    /// database comes after: [`Registry::settle`] completes it at start if a crash came in between.
    ///
    /// # Errors
    /// [`RegistryError::Trust`] for metadata that devices would refuse, [`RegistryError::Target`] for a target that
    /// is not a probed bundle. Then nothing was changed.
    pub async fn accept_targets(
        &self,
        bytes: Vec<u8>,
        now: Timestamp,
    ) -> Result<Vec<ModelRef>, RegistryError> {
        let mut releases = Arc::clone(&self.releases).lock_owned().await;
        let offered = Targets::from_bytes(&bytes)?;
        offered.check(releases.repository.root())?;
        let current = releases.repository.targets().body().version();
        if offered.body().version() <= current {
            let (role, offered) = ("targets".to_owned(), offered.body().version());
            return Err(dunlin_trust::Error::Rollback { role, trusted: current, offered }.into());
        }
        let known = self.list().await?;
        let released = newly_released(releases.repository.targets(), &offered, &known)?;
        spawn_blocking(move || releases.repository.accept_targets(&bytes, now)).await.map_err(crashed)??;
        let marked = released.clone();
        self.store.write(move |db| rows::release(db, &marked)).await?;
        Ok(released)
    }

    /// Marks as released what the published targets hold. Called at start: it completes a release that a crash
    /// interrupted between publishing and marking.
    ///
    /// # Errors
    /// The store's.
    pub async fn settle(&self) -> Result<(), RegistryError> {
        let releases = self.releases.lock().await;
        let body = releases.repository.targets().body();
        let models: Vec<ModelRef> =
            body.names().filter_map(|name| Some(name.parse::<TargetName>().ok()?.model().clone())).collect();
        drop(releases);
        Ok(self.store.write(move |db| rows::release(db, &models)).await?)
    }

    /// The folder of published metadata.
    pub async fn metadata_folder(&self) -> PathBuf {
        self.releases.lock().await.folder().to_owned()
    }

    /// What is published under this path below `/tuf/targets/`: the file's hash and length.
    pub async fn published(&self, path: &str) -> Option<Object> {
        let releases = self.releases.lock().await;
        let body = releases.repository.targets().body();
        body.names().find_map(|name| {
            let (length, sha256, _) = body.get(name)?;
            let plain = path == name;
            (plain || dunlin_trust::target_path(name, sha256, true) == path)
                .then(|| Object { sha256: sha256.to_ascii_lowercase(), length })
        })
    }

    /// Renews the server's own signatures where due.
    ///
    /// # Errors
    /// [`RegistryError::Trust`] if the disk fails.
    pub async fn refresh_signatures(&self, now: Timestamp) -> Result<bool, RegistryError> {
        let mut releases = Arc::clone(&self.releases).lock_owned().await;
        spawn_blocking(move || releases.refresh(now)).await.map_err(crashed)?
    }
}
