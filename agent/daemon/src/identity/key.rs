//! The device's key, the request for its certificate, and what stands in one. The one module that names a
//! certificate library.

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

/// From when to when a certificate holds, in milliseconds since 1970.
pub fn validity(der: &[u8]) -> anyhow::Result<[i64; 2]> {
    let (_, certificate) =
        x509_parser::parse_x509_certificate(der).context("the certificate cannot be read")?;
    let validity = certificate.validity();
    Ok([validity.not_before, validity.not_after].map(|at| at.timestamp().saturating_mul(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_when_it_holds() {
        let mut params = CertificateParams::new(vec!["a".into()]).unwrap();
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2025, 1, 1), rcgen::date_time_ymd(2055, 1, 1));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(validity(certificate.der()).unwrap(), [1_735_689_600_000, 2_682_374_400_000]);
        assert!(validity(b"nothing").is_err());
    }

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
