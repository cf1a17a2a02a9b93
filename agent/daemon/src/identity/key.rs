//! The device's key and the request for its certificate. The one module that names a certificate library.

use anyhow::Context as _;
use dunlin_protocol::DeviceId;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};

/// A fresh key with a request that proves its possession.
pub struct Request {
    /// PKCS#8 PEM. Never sent, never logged.
    pub key_pem: String,
    /// Certificate signing request, PEM, with the device's name as common name.
    pub csr_pem: String,
    /// Four words of the public key, to compare by eye.
    pub words: [&'static str; 4],
}

/// Makes an ECDSA P-256 key and its request, or a request for a key that is there already.
pub fn request(device: &DeviceId, key_pem: Option<&str>) -> anyhow::Result<Request> {
    let key = match key_pem {
        Some(pem) => KeyPair::from_pem(pem).context("the device's key cannot be read")?,
        None => KeyPair::generate().context("no key could be made")?,
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, device.as_str());
    let csr_pem =
        params.serialize_request(&key).and_then(|csr| csr.pem()).context("no request could be made")?;
    let words = dunlin_protocol::words::words(&key.subject_public_key_info());
    Ok(Request { key_pem: key.serialize_pem(), csr_pem, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_gives_the_same_words_and_a_request_of_its_own() {
        let device: DeviceId = "station-07".parse().unwrap();
        let first = request(&device, None).unwrap();
        let again = request(&device, Some(&first.key_pem)).unwrap();
        assert_eq!(first.words, again.words);
        assert!(again.csr_pem.contains("BEGIN CERTIFICATE REQUEST"));
        assert_ne!(request(&device, None).unwrap().key_pem, first.key_pem);
    }
}
