//! What enrolment leaves on disk: `identity/{key.pem,cert.pem,ca.pem,server.json}`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use dunlin_protocol::DeviceId;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};

use crate::durable;

/// Where the fleet server is, and under which name this device speaks to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerAddress {
    /// The device's name, the common name of its certificate.
    pub device: DeviceId,
    /// Base address of API and TUF repository, without a slash at its end.
    pub server_url: String,
    /// MQTT broker's host.
    pub mqtt_host: String,
    /// MQTT broker's port.
    pub mqtt_port: u16,
    /// When the device was enrolled, in milliseconds since 1970 by its own clock.
    pub enrolled_ms: i64,
}

/// An enrolled device's identity.
#[derive(Debug)]
pub struct Identity {
    /// Names and addresses.
    pub server: ServerAddress,
    /// The device's certificate chain.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The device's key.
    pub key: PrivateKeyDer<'static>,
    /// The CA that server and broker must show.
    pub ca: CertificateDer<'static>,
}

/// The folder of the identity.
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("identity")
}

/// The device's key if one was made already.
pub fn key_pem(data_dir: &Path) -> Option<String> {
    fs::read_to_string(folder(data_dir).join("key.pem")).ok()
}

/// Writes the key alone: before it is certified, so that a crash in between does not lose it.
pub fn save_key(data_dir: &Path, key_pem: &str) -> anyhow::Result<()> {
    let path = folder(data_dir).join("key.pem");
    durable::write(&path, key_pem.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes the rest; `server.json` last, since it says that everything is there.
pub fn save(
    data_dir: &Path,
    certificate_pem: &str,
    ca_pem: &str,
    server: &ServerAddress,
) -> anyhow::Result<()> {
    let folder = folder(data_dir);
    for (name, text) in [("cert.pem", certificate_pem), ("ca.pem", ca_pem)] {
        let path = folder.join(name);
        durable::write(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    durable::write_json(&folder.join("server.json"), server)
}

/// The server's address if the device is enrolled.
pub fn address(data_dir: &Path) -> anyhow::Result<Option<ServerAddress>> {
    durable::read_json(&folder(data_dir).join("server.json"))
}

impl Identity {
    /// Reads an identity; `None` when the device is not enrolled.
    pub fn load(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let Some(server) = address(data_dir)? else { return Ok(None) };
        let folder = folder(data_dir);
        let broken = |name: &str| {
            format!("{} cannot be read; enrol the device again with a new token", folder.join(name).display())
        };
        let certificates: Vec<_> = CertificateDer::pem_file_iter(folder.join("cert.pem"))
            .and_then(Iterator::collect)
            .with_context(|| broken("cert.pem"))?;
        let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).with_context(|| broken("key.pem"))?;
        let ca = CertificateDer::from_pem_file(folder.join("ca.pem")).with_context(|| broken("ca.pem"))?;
        Ok(Some(Self { server, certificates, key, ca }))
    }
}
