//! What every stream from outside passes through: a size limit and the hashes.

use ring::digest::{Context, SHA256, SHA512};

use crate::crypto::hex;
use crate::error::{Error, Result};

/// Counts and hashes bytes and refuses more than `limit` of them.
pub(crate) struct Meter {
    what: String,
    limit: u64,
    seen: u64,
    sha256: Context,
    sha512: Context,
}

impl Meter {
    pub fn new(what: &str, limit: u64) -> Self {
        let (sha256, sha512) = (Context::new(&SHA256), Context::new(&SHA512));
        Self { what: what.to_owned(), limit, seen: 0, sha256, sha512 }
    }

    /// Takes the next piece; call it before the piece goes anywhere else.
    pub fn take(&mut self, piece: &[u8]) -> Result<()> {
        if piece.len() as u64 > self.limit - self.seen {
            return Err(Error::TooLarge { what: self.what.clone(), limit: self.limit });
        }
        self.seen += piece.len() as u64;
        self.sha256.update(piece);
        self.sha512.update(piece);
        Ok(())
    }

    /// Bytes so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// SHA-256 and SHA-512 in hexadecimal.
    pub fn finish(self) -> (String, String) {
        (hex(self.sha256.finish().as_ref()), hex(self.sha512.finish().as_ref()))
    }
}
