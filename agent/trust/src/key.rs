//! Keys: Ed25519 pairs that sign, and their public halves as TUF writes them.

use std::fmt;
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::crypto::hex;
use crate::disk;
use crate::error::{Error, Result};

/// A public key as TUF metadata holds it (specification section 4.2), with the id it is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: String,
    key: sigstore_tuf::Key,
}

impl PublicKey {
    /// Reads the JSON object `{"keytype", "scheme", "keyval": {"public"}}`.
    ///
    /// # Errors
    /// [`Error::Key`] if fields are missing or the key cannot verify anything.
    pub fn from_json(value: &Value) -> Result<Self> {
        crate::crypto::install();
        let refuse = |reason: String| Error::Key { key: "public key".into(), reason };
        let key: sigstore_tuf::Key =
            serde_json::from_value(value.clone()).map_err(|e| refuse(e.to_string()))?;
        key.verification_key().map_err(|e| refuse(e.to_string()))?;
        let id = key.key_id().map_err(|e| refuse(e.to_string()))?;
        Ok(Self { id, key })
    }

    /// The key as a JSON object, ready for the `keys` of a root or a delegation.
    pub fn to_json(&self) -> Value {
        json!({
            "keytype": self.key.keytype,
            "scheme": self.key.scheme,
            "keyval": { "public": self.key.keyval.public },
        })
    }

    /// The key id: SHA-256 over the canonical JSON of the key, in hexadecimal.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// A private Ed25519 key. Its `Debug` shows the id only.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    pkcs8: Vec<u8>,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.public.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a new key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`Error::Key`] if the system has no random numbers to give.
    pub fn generate() -> Result<Self> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| refuse("no random numbers from the operating system"))?;
        Self::from_pkcs8(document.as_ref())
    }

    /// Reads a key from PKCS#8 DER, with or without the public half in it (RFC 5958, RFC 5208).
    ///
    /// # Errors
    /// [`Error::Key`] if the bytes are not an Ed25519 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
            .map_err(|e| refuse(format!("not an Ed25519 key in PKCS#8: {e}")))?;
        let public = PublicKey::from_json(&json!({
            "keytype": "ed25519",
            "scheme": "ed25519",
            "keyval": { "public": hex(pair.public_key().as_ref()) },
        }))?;
        Ok(Self { pair, pkcs8: der.to_vec(), public })
    }

    /// The private key as PKCS#8 DER. Whoever has these bytes can sign.
    pub fn to_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Reads a key that [`SigningKey::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Disk`] if the file cannot be read, [`Error::Key`] if it holds no Ed25519 key.
    pub fn load(path: &Path) -> Result<Self> {
        let der = disk::read_capped(path, 4096)?;
        Self::from_pkcs8(&der).map_err(|e| match e {
            Error::Key { reason, .. } => Error::Key { key: path.display().to_string(), reason },
            other => other,
        })
    }

    /// Writes the key as PKCS#8 DER into a new file that only its owner can read (mode 0600).
    ///
    /// # Errors
    /// [`Error::Disk`] if the file exists already or cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        disk::write_new_private(path, &self.pkcs8)
    }

    /// The signature over `bytes`.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Key { key: "signing key".into(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_pkcs8_and_keeps_its_id() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pkcs8(key.to_pkcs8()).unwrap();
        assert_eq!(key.public(), again.public());
        assert_eq!(PublicKey::from_json(&key.public().to_json()).unwrap(), *key.public());
        assert_eq!(key.public().id().len(), 64);
    }

    #[test]
    fn a_key_file_is_readable_by_its_owner_only_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.pk8");
        let key = SigningKey::generate().unwrap();
        key.save(&path).unwrap();
        assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
        assert!(key.save(&path).is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn bytes_that_are_no_key_are_refused_and_debug_shows_no_secret() {
        assert!(matches!(SigningKey::from_pkcs8(b"not a key"), Err(Error::Key { .. })));
        let key = SigningKey::generate().unwrap();
        assert!(!format!("{key:?}").contains("pkcs8"));
    }
}
