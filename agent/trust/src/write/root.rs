//! The root role: whose signatures count for what (TUF specification section 4.3).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sigstore_tuf::TrustedMetadataSet;

use super::signed::{Payload, Signed};
use super::{SPEC_VERSION, whole_seconds};
use crate::error::{Error, Result};
use crate::key::PublicKey;

/// `root.json`.
pub type Root = Signed<RootBody>;

/// A role that the root gives keys to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopRole {
    /// Signs roots. Offline, k of n people.
    Root,
    /// Signs the list of targets. Offline, the owner.
    Targets,
    /// Signs which versions belong together. Online.
    Snapshot,
    /// Signs that this is the newest. Online.
    Timestamp,
}

impl TopRole {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Root, Self::Targets, Self::Snapshot, Self::Timestamp];

    /// The name in metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }
}

/// What a root says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RootBody {
    #[serde(rename = "_type")]
    kind: String,
    spec_version: String,
    version: u64,
    expires: Timestamp,
    consistent_snapshot: bool,
    keys: BTreeMap<String, Value>,
    roles: BTreeMap<String, RoleKeys>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct RoleKeys {
    keyids: Vec<String>,
    threshold: usize,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

impl Payload for RootBody {
    const TYPE: &'static str = "root";
    type Core = sigstore_tuf::Root;

    fn version_mut(&mut self) -> &mut u64 {
        &mut self.version
    }

    fn expires_mut(&mut self) -> &mut Timestamp {
        &mut self.expires
    }
}

impl RootBody {
    /// The version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it expires.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Whether files carry their version or hash in the name. On in new roots; a [`Repository`](super::Repository)
    /// needs it.
    pub fn consistent_snapshot(&self) -> bool {
        self.consistent_snapshot
    }

    /// Sets [`RootBody::consistent_snapshot`].
    pub fn set_consistent_snapshot(&mut self, consistent: bool) {
        self.consistent_snapshot = consistent;
    }

    /// Gives `role` to `keys`, `threshold` of whom must sign. Keys that no role uses any more are dropped.
    ///
    /// # Errors
    /// [`Error::Usage`] if the threshold is zero or more than there are keys.
    pub fn set_role(&mut self, role: TopRole, threshold: usize, keys: &[PublicKey]) -> Result<()> {
        let mut keyids: Vec<String> = keys.iter().map(|k| k.id().to_owned()).collect();
        keyids.sort_unstable();
        keyids.dedup();
        check_threshold(role.name(), threshold, keyids.len())?;
        self.keys.extend(keys.iter().map(|k| (k.id().to_owned(), k.to_json())));
        let slot = self.roles.entry(role.name().to_owned()).or_default();
        slot.keyids = keyids;
        slot.threshold = threshold;
        self.keys.retain(|id, _| self.roles.values().any(|role| role.keyids.contains(id)));
        Ok(())
    }

    /// The keys of `role` and how many of them must sign.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the root does not name the role; [`Error::Key`] if a key cannot be read.
    pub fn role(&self, role: TopRole) -> Result<(Vec<PublicKey>, usize)> {
        let missing = || Error::malformed("root", format!("it gives no keys to role {}", role.name()));
        let slot = self.roles.get(role.name()).ok_or_else(missing)?;
        let keys = slot
            .keyids
            .iter()
            .filter_map(|id| self.keys.get(id))
            .map(PublicKey::from_json)
            .collect::<Result<_>>()?;
        Ok((keys, slot.threshold))
    }

    /// Keys and key ids of a role as JSON, for the verification of bytes.
    pub(crate) fn authority(&self, role: TopRole) -> Result<(Value, Value, usize)> {
        let slot = self
            .roles
            .get(role.name())
            .ok_or_else(|| Error::malformed("root", format!("it gives no keys to role {}", role.name())))?;
        Ok((serde_json::json!(self.keys), serde_json::json!(slot.keyids), slot.threshold))
    }
}

impl Root {
    /// Version 1 of a root that gives no keys to anybody yet, valid until `expires`.
    pub fn new(expires: Timestamp) -> Self {
        Self::unsigned(RootBody {
            kind: "root".into(),
            spec_version: SPEC_VERSION.into(),
            version: 1,
            expires: whole_seconds(expires),
            consistent_snapshot: true,
            keys: BTreeMap::new(),
            roles: BTreeMap::new(),
            extra: BTreeMap::new(),
        })
    }

    /// Checks that all four roles have keys and that enough root keys have signed.
    ///
    /// # Errors
    /// [`Error::Malformed`] if a role is missing, [`Error::Signature`] if signatures are.
    pub fn check(&self) -> Result<()> {
        crate::crypto::install();
        for role in TopRole::ALL {
            let (keys, threshold) = self.body().role(role)?;
            check_threshold(role.name(), threshold, keys.len())?;
        }
        TrustedMetadataSet::from_root(&self.to_bytes()?).map(drop).map_err(verdict)
    }

    /// Checks that clients who trust `old` will accept this root: next version, signed by old and new keys.
    ///
    /// # Errors
    /// [`Error::Mismatch`] or [`Error::Rollback`] for the version, otherwise as [`Root::check`].
    pub fn check_follows(&self, old: &Root) -> Result<()> {
        self.check()?;
        let mut set = TrustedMetadataSet::from_root(&old.to_bytes()?).map_err(verdict)?;
        set.update_root(&self.to_bytes()?).map_err(verdict)
    }
}

fn verdict(error: sigstore_tuf::Error) -> Error {
    Error::verdict("root", Timestamp::UNIX_EPOCH, error)
}

pub(crate) fn check_threshold(role: &str, threshold: usize, keys: usize) -> Result<()> {
    if threshold == 0 || threshold > keys {
        return Err(Error::Usage {
            what: format!("threshold {threshold} of role {role}"),
            reason: format!("it must be between 1 and the number of its keys, {keys}"),
        });
    }
    Ok(())
}
