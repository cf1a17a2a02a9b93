//! Rollback floors: the lowest versions that may still be accepted. Pure values; the rules of sections 5.3.11,
//! 5.4.3 and 5.5.5 of the TUF specification.
//!
//! A floor rises with each accepted file. It goes only when a root, signed by the owner, takes the keys away
//! that set it: then those versions may have been the work of a thief ("fast-forward attack").

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sigstore_tuf::{Metadata, Role, Root, Snapshot};

use crate::crypto::unhex;
use crate::error::{Error, Result};

/// All floors of one store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Floors {
    /// The newest root version accepted.
    pub root: u64,
    /// Time has passed this point.
    pub time: Timestamp,
    /// Set by the timestamp role.
    pub timestamp: Option<TimestampFloor>,
    /// Set by the snapshot role.
    pub snapshot: Option<SnapshotFloor>,
}

/// What an accepted timestamp forbids to go below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimestampFloor {
    pub version: u64,
    /// The snapshot version it named.
    pub snapshot: u64,
    /// Ids of the keys whose signatures were good.
    pub signers: BTreeSet<String>,
}

/// What an accepted snapshot forbids to go below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotFloor {
    /// Metadata file name to version, for `targets.json` and each delegated role.
    pub metas: BTreeMap<String, u64>,
    /// Ids of the keys whose signatures were good.
    pub signers: BTreeSet<String>,
}

impl Floors {
    pub fn new(root: u64) -> Self {
        Self { root, time: Timestamp::UNIX_EPOCH, timestamp: None, snapshot: None }
    }

    /// Refuses a timestamp, or the snapshot version it names, below the floor.
    pub fn check_timestamp(&self, version: u64, snapshot: u64) -> Result<()> {
        let Some(floor) = &self.timestamp else { return Ok(()) };
        not_below("timestamp", floor.version, version)?;
        not_below("snapshot", floor.snapshot, snapshot)
    }

    /// Refuses a snapshot in which a file vanished or went back.
    pub fn check_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        let Some(floor) = &self.snapshot else { return Ok(()) };
        for (name, trusted) in &floor.metas {
            let offered = snapshot.meta.get(name).map_or(0, |meta| meta.version);
            not_below(name.strip_suffix(".json").unwrap_or(name), *trusted, offered)?;
        }
        Ok(())
    }

    /// The floors after `root` was accepted: versions set by keys that may no longer sign are forgotten. Says
    /// which roles were.
    pub fn after_root(&self, root: &Root) -> (Self, Vec<&'static str>) {
        let mut next = Self { root: root.version, ..self.clone() };
        let mut forgotten = Vec::new();
        if next.timestamp.as_ref().is_some_and(|f| !still_enough(root, "timestamp", &f.signers)) {
            next.timestamp = None;
            forgotten.push("timestamp");
        }
        if next.snapshot.as_ref().is_some_and(|f| !still_enough(root, "snapshot", &f.signers)) {
            next.snapshot = None;
            forgotten.push("snapshot");
        }
        (next, forgotten)
    }
}

fn not_below(role: &str, trusted: u64, offered: u64) -> Result<()> {
    if offered < trusted {
        return Err(Error::Rollback { role: role.to_owned(), trusted, offered });
    }
    Ok(())
}

/// Whether signatures by `signers` would still meet the threshold of `role` under `root`.
fn still_enough(root: &Root, role: &str, signers: &BTreeSet<String>) -> bool {
    root.role(role).is_some_and(|keys| {
        let allowed: BTreeSet<String> =
            keys.keyids.iter().filter_map(|id| root.keys.get(id)?.key_id().ok()).collect();
        signers.intersection(&allowed).count() >= keys.threshold
    })
}

/// The ids (hashes of the keys themselves) of those keys of `role` whose signatures under `metadata` are good.
pub(crate) fn signers<T: Role>(metadata: &Metadata<T>, root: &Root, role: &str) -> BTreeSet<String> {
    let Some(keys) = root.role(role) else { return BTreeSet::new() };
    metadata
        .signatures()
        .iter()
        .filter(|signature| keys.keyids.contains(&signature.keyid))
        .filter_map(|signature| {
            let key = root.keys.get(&signature.keyid)?;
            let raw = sigstore_types::SignatureBytes::new(unhex(&signature.sig)?);
            key.verify(metadata.signed_canonical(), &raw).ok()?;
            key.key_id().ok()
        })
        .collect()
}
