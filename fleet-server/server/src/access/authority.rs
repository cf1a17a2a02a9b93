//! The server's own certificate authority. The one file that makes certificates.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use dunlin_protocol::{DeviceId, words};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData, date_time_ymd,
};
use ring::digest;
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};

use super::secret::hex;

/// Days that the authority's own certificate is valid.
const AUTHORITY_DAYS: u32 = 3650 * 2;
/// Days that the server's certificate is valid; it is made anew at each start.
const SERVER_DAYS: u32 = 397;
/// Longest certificate request that is looked at, in bytes.
const MAX_REQUEST: usize = 8192;

/// Signs certificates of devices and of this server.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A certificate signed for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    /// The certificate.
    pub pem: String,
    /// SHA-256 of its DER.
    pub sha256: Vec<u8>,
    /// Four words of its key.
    pub words: [&'static str; 4],
}

/// The server's own certificate with its key.
pub struct ServerCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    /// The chain as PEM, for people to look at.
    pub pem: String,
}

impl Authority {
    /// Makes a new authority: its certificate and private key, both PEM.
    ///
    /// # Errors
    /// If the system has no random numbers to give.
    pub fn create(name: &str, today: jiff::civil::Date) -> anyhow::Result<(String, String)> {
        let key = KeyPair::generate()?;
        let mut params = template(&format!("{name} CA"), today, AUTHORITY_DAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
    }

    /// Reads what [`Authority::create`] made.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold a certificate and its key.
    pub fn load(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let (pem, key_pem) = (read(certificate)?, read(key)?);
        Self::from_pem(pem, &key_pem).with_context(|| {
            format!("{} and {} are no certificate authority", certificate.display(), key.display())
        })
    }

    /// An authority from its certificate and private key.
    ///
    /// # Errors
    /// If they are not PEM of a certificate and a key.
    pub fn from_pem(pem: String, key_pem: &str) -> anyhow::Result<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())?;
        let issuer = Issuer::from_ca_cert_pem(&pem, KeyPair::from_pem(key_pem)?)?;
        Ok(Self { issuer, pem, der })
    }

    /// The authority's certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What devices pin: `sha256:` and the SHA-256 of the certificate's DER in hexadecimal.
    pub fn fingerprint(&self) -> String {
        format!("sha256:{}", hex(digest::digest(&digest::SHA256, &self.der).as_ref()))
    }

    /// Signs a device's request.
    ///
    /// # Errors
    /// One sentence: the request cannot be read, is not signed by its own key, names another device, or brings a
    /// kind of key that is not accepted.
    pub fn sign_device(
        &self,
        device: &DeviceId,
        request_pem: &str,
        today: jiff::civil::Date,
        days: u32,
    ) -> Result<DeviceCertificate, String> {
        if request_pem.len() > MAX_REQUEST {
            return Err(format!(
                "the certificate request has {} bytes, more than {MAX_REQUEST}",
                request_pem.len()
            ));
        }
        let request = CertificateSigningRequestParams::from_pem(request_pem)
            .map_err(|error| format!("the certificate request cannot be used: {error}"))?;
        let named = match request.params.distinguished_name.get(&DnType::CommonName) {
            Some(DnValue::Utf8String(name)) => name.clone(),
            Some(DnValue::PrintableString(name)) => name.as_str().to_owned(),
            _ => String::new(),
        };
        if named != device.as_str() {
            return Err(format!("the certificate request is for {named:?}, not for {device}"));
        }
        let accepted = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519];
        if !accepted.contains(&request.public_key.algorithm()) {
            return Err("the certificate request's key is neither ECDSA P-256, P-384 nor Ed25519".into());
        }
        let mut params = template(device.as_str(), today, days).map_err(|error| error.to_string())?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let signed =
            params.signed_by(&request.public_key, &self.issuer).map_err(|error| error.to_string())?;
        let sha256 = digest::digest(&digest::SHA256, signed.der()).as_ref().to_vec();
        let words = words::words(&request.public_key.subject_public_key_info());
        Ok(DeviceCertificate { pem: signed.pem(), sha256, words })
    }

    /// Makes a certificate for this server under all the names it is reached by.
    ///
    /// # Errors
    /// If a name can stand in no certificate.
    pub fn sign_server(
        &self,
        names: Vec<String>,
        today: jiff::civil::Date,
    ) -> anyhow::Result<ServerCertificate> {
        let key = KeyPair::generate()?;
        let mut params = template("dunlin-server", today, SERVER_DAYS)?;
        params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(&key, &self.issuer)?;
        let pem = format!("{}{}", signed.pem(), self.pem);
        Ok(ServerCertificate { chain: vec![signed.der().clone(), self.der.clone()], key, pem })
    }

    /// TLS for the MQTT side: only clients with a certificate of this authority get in.
    ///
    /// # Errors
    /// If the certificates do not fit together.
    pub fn mqtt_tls(&self, own: &ServerCertificate) -> anyhow::Result<Arc<ServerConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build()?;
        let config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(own.chain.clone(), own.private_key())?;
        Ok(Arc::new(config))
    }

    /// TLS for the HTTP side. Clients show no certificate.
    ///
    /// # Errors
    /// If the certificate and its key do not fit together.
    pub fn http_tls(&self, own: &ServerCertificate) -> anyhow::Result<Arc<ServerConfig>> {
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(own.chain.clone(), own.private_key())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ServerCertificate {
    /// The private key as PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

/// A certificate for `name`, valid since yesterday, since clocks differ, and for `days`.
fn template(name: &str, today: jiff::civil::Date, days: u32) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let (from, to) = (today.yesterday()?, today.checked_add(jiff::Span::new().days(i64::from(days)))?);
    let number = |small: i8| small.unsigned_abs();
    params.not_before = date_time_ymd(i32::from(from.year()), number(from.month()), number(from.day()));
    params.not_after = date_time_ymd(i32::from(to.year()), number(to.month()), number(to.day()));
    Ok(params)
}

/// Today, in UTC.
pub fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}
