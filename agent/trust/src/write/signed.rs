//! A payload and the signatures over it (TUF specification section 4.2).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sigstore_tuf::canonical_json::to_canonical_bytes;
use sigstore_tuf::{Metadata, Role};

use super::whole_seconds;
use crate::crypto::hex;
use crate::error::{Error, Result};
use crate::key::{PublicKey, SigningKey};

/// One of the four kinds of metadata.
pub trait Payload: Serialize + DeserializeOwned + Clone {
    /// The `_type` field, which is also the role's name at top level.
    const TYPE: &'static str;
    /// The same kind in the verification core.
    type Core: Role;
    /// The version field.
    fn version_mut(&mut self) -> &mut u64;
    /// The expiry field.
    fn expires_mut(&mut self) -> &mut Timestamp;
}

/// Metadata that is being written. Changing the payload drops the signatures, so what is signed is what is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed<T> {
    body: T,
    signatures: BTreeMap<String, String>,
}

impl<T: Payload> Signed<T> {
    pub(crate) fn unsigned(body: T) -> Self {
        Self { body, signatures: BTreeMap::new() }
    }

    /// Reads metadata, whoever signed it. Unknown fields are kept.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is not metadata of this kind.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        // The core's reading has all the checks; ours keeps the fields for changing them.
        Metadata::<T::Core>::from_slice(bytes)
            .map_err(|e| Error::verdict(T::TYPE, Timestamp::UNIX_EPOCH, e))?;
        let wrong = |e: &dyn ToString| Error::malformed(T::TYPE, e.to_string());
        let value: Value = serde_json::from_slice(bytes).map_err(|e| wrong(&e))?;
        let body = serde_json::from_value(value["signed"].clone()).map_err(|e| wrong(&e))?;
        let mut signatures = BTreeMap::new();
        for signature in value["signatures"].as_array().into_iter().flatten() {
            if let (Some(id), Some(sig)) = (signature["keyid"].as_str(), signature["sig"].as_str()) {
                signatures.insert(id.to_owned(), sig.to_owned());
            }
        }
        Ok(Self { body, signatures })
    }

    /// The metadata file as it is served.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the payload holds what canonical JSON cannot write, such as a fraction in `custom`.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.canonical()?;
        let signatures: Vec<Value> =
            self.signatures.iter().map(|(id, sig)| json!({ "keyid": id, "sig": sig })).collect();
        let file = json!({ "signatures": signatures, "signed": self.body });
        serde_json::to_vec_pretty(&file).map_err(|e| Error::malformed(T::TYPE, e))
    }

    /// The payload.
    pub fn body(&self) -> &T {
        &self.body
    }

    /// The payload, to change it. All signatures are dropped.
    pub fn edit(&mut self) -> &mut T {
        self.signatures.clear();
        &mut self.body
    }

    /// Begins the next version, valid until `expires`. All signatures are dropped.
    pub fn bump(&mut self, expires: Timestamp) {
        let body = self.edit();
        *body.version_mut() += 1;
        *body.expires_mut() = whole_seconds(expires);
    }

    /// Adds the signature of `key`, or renews it.
    ///
    /// # Errors
    /// As [`Signed::to_bytes`].
    pub fn sign(&mut self, key: &SigningKey) -> Result<()> {
        let signature = hex(&key.sign(&self.canonical()?));
        self.signatures.insert(key.public().id().to_owned(), signature);
        Ok(())
    }

    /// The ids of the keys that signed, whether rightly or not.
    pub fn signers(&self) -> impl Iterator<Item = &str> {
        self.signatures.keys().map(String::as_str)
    }

    /// Checks that at least `threshold` of `keys` have signed.
    ///
    /// # Errors
    /// [`Error::Signature`] if fewer have.
    pub fn verify(&self, keys: &[PublicKey], threshold: usize) -> Result<()> {
        let ids: Vec<&str> = keys.iter().map(PublicKey::id).collect();
        let all: BTreeMap<&str, Value> = keys.iter().map(|k| (k.id(), k.to_json())).collect();
        verify_bytes::<T::Core>(&self.to_bytes()?, T::TYPE, &json!(all), &json!(ids), threshold).map(drop)
    }

    fn canonical(&self) -> Result<Vec<u8>> {
        let value = serde_json::to_value(&self.body).map_err(|e| Error::malformed(T::TYPE, e))?;
        to_canonical_bytes(&value).map_err(|e| Error::malformed(T::TYPE, e))
    }
}

/// Parses `bytes` and checks that `threshold` of the keys `ids`, found in `keys`, have signed them.
pub(crate) fn verify_bytes<R: Role>(
    bytes: &[u8],
    role: &str,
    keys: &Value,
    ids: &Value,
    threshold: usize,
) -> Result<R> {
    crate::crypto::install();
    let verdict = |e| Error::verdict(role, Timestamp::UNIX_EPOCH, e);
    let metadata = Metadata::<R>::from_slice(bytes).map_err(verdict)?;
    let keys = serde_json::from_value(keys.clone()).map_err(|e| Error::malformed(role, e))?;
    let role_keys = serde_json::from_value(json!({ "keyids": ids, "threshold": threshold }))
        .map_err(|e| Error::malformed(role, e))?;
    metadata.verify_threshold(&keys, &role_keys, role).map_err(verdict)?;
    Ok(metadata.into_signed())
}
