//! The targets role: which files are released, and who else may release (TUF specification section 4.5).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::root::check_threshold;
use super::signed::{Payload, Signed, verify_bytes};
use super::{Root, SPEC_VERSION, TopRole, whole_seconds};
use crate::error::{Error, Result};
use crate::key::PublicKey;

/// `targets.json`, or the file of a delegated role.
pub type Targets = Signed<TargetsBody>;

/// What a targets role says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetsBody {
    #[serde(rename = "_type")]
    kind: String,
    spec_version: String,
    version: u64,
    expires: Timestamp,
    targets: BTreeMap<String, TargetFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delegations: Option<Delegations>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TargetFile {
    length: u64,
    hashes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    custom: Option<Value>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Delegations {
    keys: BTreeMap<String, Value>,
    roles: Vec<DelegatedRole>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DelegatedRole {
    name: String,
    keyids: Vec<String>,
    threshold: usize,
    #[serde(default)]
    terminating: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paths: Option<Vec<String>>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

/// The right to release targets under some paths, given to other keys.
#[derive(Clone, Debug)]
pub struct Delegation {
    /// The role's name; its file is `NAME.json`.
    pub name: String,
    /// Whose signatures count.
    pub keys: Vec<PublicKey>,
    /// How many of them are needed.
    pub threshold: usize,
    /// Shell patterns of target names; `*` does not cross `/`.
    pub paths: Vec<String>,
    /// Whether later delegations are not asked for names that match.
    pub terminating: bool,
}

impl Payload for TargetsBody {
    const TYPE: &'static str = "targets";
    type Core = sigstore_tuf::Targets;

    fn version_mut(&mut self) -> &mut u64 {
        &mut self.version
    }

    fn expires_mut(&mut self) -> &mut Timestamp {
        &mut self.expires
    }
}

impl TargetsBody {
    /// The version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it expires.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The names of the targets, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    /// Length in bytes, SHA-256 in hexadecimal and custom data of the target `name`.
    pub fn get(&self, name: &str) -> Option<(u64, &str, Option<&Value>)> {
        let file = self.targets.get(name)?;
        Some((file.length, file.hashes.get("sha256")?, file.custom.as_ref()))
    }

    /// Releases a target, in place of one of the same name. `sha256` is in hexadecimal; `custom` must hold no
    /// fractions, which canonical JSON cannot write.
    pub fn add(&mut self, name: &str, length: u64, sha256: &str, custom: Option<Value>) {
        let hashes = BTreeMap::from([("sha256".to_owned(), sha256.to_ascii_lowercase())]);
        self.targets.insert(name.to_owned(), TargetFile { length, hashes, custom, extra: BTreeMap::new() });
    }

    /// Releases a target whose content is `bytes`.
    pub fn add_bytes(&mut self, name: &str, bytes: &[u8], custom: Option<Value>) {
        self.add(name, bytes.len() as u64, &crate::crypto::sha256_hex(bytes), custom);
    }

    /// Takes a target back. Says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.targets.remove(name).is_some()
    }

    /// Gives a right to others, in place of a delegation of the same name, otherwise after all that are there.
    ///
    /// # Errors
    /// [`Error::Usage`] for a top-level role's name, no paths, or an impossible threshold.
    pub fn delegate(&mut self, delegation: Delegation) -> Result<()> {
        let Delegation { name, keys, threshold, paths, terminating } = delegation;
        let refuse =
            |reason: &str| Error::Usage { what: format!("delegation {name:?}"), reason: reason.into() };
        if name.is_empty() || TopRole::ALL.iter().any(|role| role.name() == name) {
            return Err(refuse("choose a name that is no top-level role's"));
        }
        if paths.is_empty() {
            return Err(refuse("give at least one path pattern"));
        }
        let mut keyids: Vec<String> = keys.iter().map(|k| k.id().to_owned()).collect();
        keyids.sort_unstable();
        keyids.dedup();
        check_threshold(&name, threshold, keyids.len())?;
        let all = self.delegations.get_or_insert_default();
        all.keys.extend(keys.iter().map(|k| (k.id().to_owned(), k.to_json())));
        let (paths, extra) = (Some(paths), BTreeMap::new());
        let role = DelegatedRole { name, keyids, threshold, terminating, paths, extra };
        match all.roles.iter_mut().find(|r| r.name == role.name) {
            Some(slot) => *slot = role,
            None => all.roles.push(role),
        }
        all.drop_unused_keys();
        Ok(())
    }

    /// Takes a right back. Says whether it was given.
    pub fn revoke(&mut self, name: &str) -> bool {
        let Some(all) = &mut self.delegations else { return false };
        let before = all.roles.len();
        all.roles.retain(|role| role.name != name);
        all.drop_unused_keys();
        let revoked = all.roles.len() < before;
        if all.roles.is_empty() {
            self.delegations = None;
        }
        revoked
    }

    /// The names of the roles that rights are given to, in order.
    pub fn delegates(&self) -> impl Iterator<Item = &str> {
        self.delegations.iter().flat_map(|all| &all.roles).map(|role| role.name.as_str())
    }

    /// Keys, key ids and threshold of the delegated role `name`.
    pub(crate) fn authority(&self, name: &str) -> Option<(Value, Value, usize)> {
        let all = self.delegations.as_ref()?;
        let role = all.roles.iter().find(|role| role.name == name)?;
        Some((json!(all.keys), json!(role.keyids), role.threshold))
    }
}

impl Delegations {
    fn drop_unused_keys(&mut self) {
        self.keys.retain(|id, _| self.roles.iter().any(|role| role.keyids.contains(id)));
    }
}

impl Targets {
    /// Version 1 of a list without targets, valid until `expires`.
    pub fn new(expires: Timestamp) -> Self {
        Self::unsigned(TargetsBody {
            kind: "targets".into(),
            spec_version: SPEC_VERSION.into(),
            version: 1,
            expires: whole_seconds(expires),
            targets: BTreeMap::new(),
            delegations: None,
            extra: BTreeMap::new(),
        })
    }

    /// Checks that enough of the targets keys of `root` have signed.
    ///
    /// # Errors
    /// [`Error::Signature`] if fewer have.
    pub fn check(&self, root: &Root) -> Result<()> {
        let (keys, ids, threshold) = root.body().authority(TopRole::Targets)?;
        verify_bytes::<sigstore_tuf::Targets>(&self.to_bytes()?, "targets", &keys, &ids, threshold).map(drop)
    }
}
