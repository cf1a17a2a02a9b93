//! The two roles that a server signs by itself: which versions belong together, and that they are the newest.

use std::collections::BTreeMap;

use jiff::Timestamp as Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::signed::{Payload, Signed};
use super::{ISSUED, SPEC_VERSION, whole_seconds};
use crate::crypto::sha256_hex;
use crate::error::Result;
use crate::key::SigningKey;

/// `snapshot.json`.
pub type Snapshot = Signed<SnapshotBody>;

/// `timestamp.json`.
pub type Timestamp = Signed<TimestampBody>;

/// One metadata file as another names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hashes: Option<BTreeMap<String, String>>,
}

impl Meta {
    /// Names exactly `bytes`, which say version `version`.
    pub fn of(version: u64, bytes: &[u8]) -> Self {
        let hashes = BTreeMap::from([("sha256".to_owned(), sha256_hex(bytes))]);
        Self { version, length: Some(bytes.len() as u64), hashes: Some(hashes) }
    }

    /// The version named.
    pub fn version(&self) -> u64 {
        self.version
    }
}

/// What a snapshot says: file name to version of each targets role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotBody {
    #[serde(rename = "_type")]
    kind: String,
    spec_version: String,
    version: u64,
    expires: Time,
    meta: BTreeMap<String, Meta>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

/// What a timestamp says: the newest snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimestampBody {
    #[serde(rename = "_type")]
    kind: String,
    spec_version: String,
    version: u64,
    expires: Time,
    meta: BTreeMap<String, Meta>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

macro_rules! payload {
    ($body:ty, $type:literal, $core:ty) => {
        impl Payload for $body {
            const TYPE: &'static str = $type;
            type Core = $core;

            fn version_mut(&mut self) -> &mut u64 {
                &mut self.version
            }

            fn expires_mut(&mut self) -> &mut Time {
                &mut self.expires
            }
        }

        impl $body {
            /// The version.
            pub fn version(&self) -> u64 {
                self.version
            }

            /// When it expires.
            pub fn expires(&self) -> Time {
                self.expires
            }

            /// The files named, by file name.
            pub fn meta(&self) -> &BTreeMap<String, Meta> {
                &self.meta
            }
        }
    };
}

payload!(SnapshotBody, "snapshot", sigstore_tuf::Snapshot);
payload!(TimestampBody, "timestamp", sigstore_tuf::Timestamp);

/// A snapshot of `version` that names `meta` (`targets.json` and one file for each delegated role), signed.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if it cannot be written.
pub fn sign_snapshot(
    version: u64,
    expires: Time,
    meta: BTreeMap<String, Meta>,
    keys: &[&SigningKey],
) -> Result<Snapshot> {
    let mut snapshot = Snapshot::unsigned(SnapshotBody {
        kind: "snapshot".into(),
        spec_version: SPEC_VERSION.into(),
        version,
        expires: whole_seconds(expires),
        meta,
        extra: BTreeMap::new(),
    });
    sign_all(&mut snapshot, keys)?;
    Ok(snapshot)
}

/// A timestamp of `version`, made at `now`, that names `snapshot`, signed.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if it cannot be written.
pub fn sign_timestamp(
    version: u64,
    now: Time,
    expires: Time,
    snapshot: Meta,
    keys: &[&SigningKey],
) -> Result<Timestamp> {
    let mut timestamp = Timestamp::unsigned(TimestampBody {
        kind: "timestamp".into(),
        spec_version: SPEC_VERSION.into(),
        version,
        expires: whole_seconds(expires),
        meta: BTreeMap::from([("snapshot.json".to_owned(), snapshot)]),
        extra: BTreeMap::from([(ISSUED.to_owned(), Value::String(whole_seconds(now).to_string()))]),
    });
    sign_all(&mut timestamp, keys)?;
    Ok(timestamp)
}

fn sign_all<T: Payload>(metadata: &mut Signed<T>, keys: &[&SigningKey]) -> Result<()> {
    keys.iter().try_for_each(|key| metadata.sign(key))
}
