//! Secrets: made from the system's random numbers, shown once, kept as a hash.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq;

/// Longest secret that is looked at.
const MAX_BYTES: usize = 128;

/// A new secret of 32 random bytes, as text that no command line takes for an option.
///
/// # Errors
/// If the system has no random numbers to give.
pub fn generate() -> Result<String, ring::error::Unspecified> {
    let (random, mut bytes) = (SystemRandom::new(), [0_u8; 32]);
    loop {
        random.fill(&mut bytes)?;
        let text = URL_SAFE_NO_PAD.encode(bytes);
        if text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Ok(text);
        }
    }
}

/// SHA-256 of a secret; a longer text than any secret hashes to that of its beginning, and so matches none.
pub fn hash(secret: &str) -> Vec<u8> {
    let bytes = secret.as_bytes();
    digest::digest(&digest::SHA256, &bytes[..bytes.len().min(MAX_BYTES)]).as_ref().to_vec()
}

/// Compares two hashes in a time that does not depend on where they differ.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_taken_for_an_option() {
        for _ in 0..2000 {
            let secret = generate().unwrap();
            assert!(secret.len() == 43 && !secret.starts_with(['-', '_']), "{secret}");
        }
    }
}
