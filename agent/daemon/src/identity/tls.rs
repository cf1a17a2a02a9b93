//! TLS towards the fleet server: only its own CA counts, never the system's.

use std::sync::Arc;

use anyhow::Context as _;
use dunlin_trust::pin::PinnedAuthority;
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};

use super::Identity;

/// The crypto provider of this program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// TLS of an enrolled device, which shows its own certificate.
pub fn enrolled(identity: &Identity) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.ca.clone()).context("identity/ca.pem is not usable; enrol the device again")?;
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(identity.certificates.clone(), identity.key.clone_key())
        .context("identity/cert.pem and key.pem do not fit together; enrol the device again")
}

/// TLS of a device that knows its server by a fingerprint only.
pub fn pinned(ca_fingerprint: &str) -> anyhow::Result<ClientConfig> {
    Ok(PinnedAuthority::new(ca_fingerprint.parse()?).client_config()?)
}

/// An HTTP client over such a TLS configuration.
pub fn http(tls: ClientConfig) -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(std::time::Duration::from_secs(10))
        .no_proxy()
        .build()
        .context("no HTTP client could be made")
}
