//! What a refresh proved. These types are made by the client only; there is no other way to a [`TargetInfo`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use sigstore_tuf::{TargetFile, TrustedMetadataSet};

use super::resolve::{Step, step};
use crate::error::{Error, Result};
use crate::names;

/// The metadata that a refresh verified, at one moment.
#[derive(Clone, Debug)]
pub struct Verified {
    pub(crate) set: Arc<TrustedMetadataSet>,
    pub(crate) now: Timestamp,
    pub(crate) problems: BTreeMap<String, String>,
    pub(crate) max_roles: usize,
}

impl Verified {
    /// The target called `name`, if a role that may speak for it lists it. See [`Verified::require`] for why not.
    pub fn target(&self, name: &str) -> Option<TargetInfo> {
        self.require(name).ok()
    }

    /// The target called `name`, or the reason why there is none: found by the delegation search of TUF section
    /// 5.6.7 with path patterns, hash prefixes and terminating delegations.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no role lists it; whatever made a role on the way unusable.
    pub fn require(&self, name: &str) -> Result<TargetInfo> {
        match step(&self.set, name, self.now, self.max_roles)? {
            Step::Found { role, file } => TargetInfo::new(name, role, &file, &self.set),
            Step::Absent => Err(absent(name)),
            Step::Load { role, .. } => Err(Error::NotFound {
                what: format!("target {name:?}"),
                reason: match self.problems.get(&role) {
                    Some(problem) => format!("delegated role {role:?} could not be used: {problem}"),
                    None => format!("delegated role {role:?} was not loaded"),
                },
            }),
        }
    }

    /// All targets of the top-level role and of the delegated roles that were loaded, by name. A name that its
    /// role may not speak for is left out.
    pub fn targets(&self) -> Vec<TargetInfo> {
        let mut names: Vec<&String> =
            self.roles().filter_map(|r| self.set.targets_role(r)).flat_map(|r| r.targets.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| self.target(name)).collect()
    }

    /// Delegated roles that could not be loaded, and why. Targets of other roles are not affected.
    pub fn problems(&self) -> &BTreeMap<String, String> {
        &self.problems
    }

    /// The version of the trusted root.
    pub fn root_version(&self) -> u64 {
        self.set.root().version
    }

    /// The version of the top-level targets.
    pub fn targets_version(&self) -> u64 {
        self.set.targets_role("targets").map_or(0, |t| t.version)
    }

    /// The first moment at which one of the four top-level files expires.
    pub fn expires(&self) -> Timestamp {
        let set = &self.set;
        [
            Some(set.root().expires),
            set.timestamp().map(|t| t.expires),
            set.snapshot().map(|s| s.expires),
            set.targets_role("targets").map(|t| t.expires),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(self.now)
    }

    fn roles(&self) -> impl Iterator<Item = &str> {
        self.set
            .snapshot()
            .into_iter()
            .flat_map(|s| s.meta.keys())
            .map(|file| file.strip_suffix(".json").unwrap_or(file))
    }
}

pub(crate) fn absent(name: &str) -> Error {
    Error::NotFound { what: format!("target {name:?}"), reason: "no trusted role lists it".into() }
}

/// A target file as verified metadata describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetInfo {
    name: String,
    role: String,
    length: u64,
    sha256: String,
    sha512: Option<String>,
    custom: Value,
    remote: String,
}

impl TargetInfo {
    pub(crate) fn new(name: &str, role: String, file: &TargetFile, set: &TrustedMetadataSet) -> Result<Self> {
        let hash = |kind: &str| file.hashes.get(kind).map(|h| h.to_ascii_lowercase());
        let sha256 = hash("sha256").filter(|h| h.len() == 64).ok_or_else(|| Error::Malformed {
            what: format!("target {name:?}"),
            reason: "it is listed without a SHA-256 hash".into(),
        })?;
        Ok(Self {
            name: name.to_owned(),
            role,
            length: file.length,
            remote: names::target_path(name, &sha256, set.root().consistent_snapshot),
            sha256,
            sha512: hash("sha512"),
            custom: file.custom.clone().unwrap_or(Value::Null),
        })
    }

    /// The name it is listed by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The role that lists it: `targets`, or a delegated one.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// SHA-256 in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// SHA-512 in lower-case hexadecimal, if the signer gave one.
    pub(crate) fn sha512(&self) -> Option<&str> {
        self.sha512.as_deref()
    }

    /// What the signer added for the application; `Null` if nothing.
    pub fn custom(&self) -> &Value {
        &self.custom
    }

    /// The path below the targets address.
    pub(crate) fn remote(&self) -> &str {
        &self.remote
    }
}
