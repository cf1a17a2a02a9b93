//! Enrolment: the device makes a key, asks for a certificate with a one-time token, and keeps what it gets.
//!
//! Each step is a line of the check list that people see. The key is on disk before it is sent for
//! certification; enrolling again uses the same key.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use dunlin_protocol::DeviceId;
use dunlin_trust::pin::{Fingerprint, PinnedAuthority};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};

use super::{ServerAddress, files, key, tls};
use crate::clock::{Clock, SystemClock};

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 2 << 20;

/// What to enrol with.
#[derive(Clone)]
pub struct EnrolRequest {
    /// `https://HOST:PORT` of the fleet server.
    pub server_url: String,
    /// Fingerprint of its CA, `sha256:HEX`.
    pub ca_fingerprint: String,
    /// The enrolment token.
    pub token: String,
    /// The name this device wants.
    pub device: DeviceId,
    /// The agent's data folder.
    pub data_dir: PathBuf,
}

impl std::fmt::Debug for EnrolRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = (&self.server_url, &self.device);
        f.debug_tuple("EnrolRequest").field(&shown).finish()
    }
}

/// One line of the check list.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// What was found.
    pub detail: String,
}

/// An enrolment that worked.
#[derive(Debug, Clone, Serialize)]
pub struct Enrolled {
    /// What was checked on the way.
    pub checks: Vec<Check>,
    /// Four words of the device's key; the server's page shows the same.
    pub words: [String; 4],
    /// Where the device belongs now.
    pub server: ServerAddress,
}

#[derive(Serialize)]
struct Body<'a> {
    token: &'a str,
    device: &'a DeviceId,
    csr_pem: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    certificate_pem: String,
    ca_pem: String,
    mqtt_host: String,
    mqtt_port: u16,
    root_json: String,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
    #[serde(default)]
    cure: String,
}

/// The server said no, with its reason and cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("enrolment refused ({code}): {message}; {cure}")]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// A stable word.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub cure: String,
}

impl Refused {
    /// True when the same question will get the same answer: the token, the name or the request is not good. A name
    /// that is taken may become free, and a server that is busy has time later.
    pub fn is_final(&self) -> bool {
        matches!(self.status, 400 | 401 | 403 | 422)
    }
}

/// Enrols a device. `heard` sees each check as it passes.
pub async fn enrol(request: &EnrolRequest, mut heard: impl FnMut(&Check)) -> anyhow::Result<Enrolled> {
    let mut checks = Vec::new();
    let mut pass = |name, detail: String| {
        let check = Check { name, detail };
        heard(&check);
        checks.push(check);
    };
    let pin: Fingerprint = request.ca_fingerprint.parse()?;
    let url = request.server_url.trim_end_matches('/');
    let (host, port) = host_and_port(url)?;

    let quality = SystemClock.quality();
    pass("clock", format!("{quality:?}").to_lowercase());
    let folder = files::folder(&request.data_dir);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made; run as root or give --data-dir", folder.display()))?;
    let asked = key::request(&request.device, files::key_pem(&request.data_dir).as_deref())?;
    files::save_key(&request.data_dir, &asked.key_pem)?;
    pass("disk", format!("{} is writable", request.data_dir.display()));
    let peer = reach(&host, port).await?;
    pass("port", format!("{host} is {peer} and answers"));

    let body = Body { token: &request.token, device: &request.device, csr_pem: &asked.csr_pem };
    let answer = ask(url, pin, &body).await?;
    pass("certificate", format!("the server's CA has the fingerprint {pin}"));
    let ca = CertificateDer::from_pem_slice(answer.ca_pem.as_bytes()).context("the server sent no CA")?;
    if Fingerprint::of(&ca) != pin {
        bail!("the server sent another CA ({}) than the pinned {pin}; do not trust it", Fingerprint::of(&ca));
    }
    dunlin_trust::TrustStore::create(&request.data_dir.join("trust"), answer.root_json.as_bytes())
        .context("the server's root of trust cannot be used")?;
    pass("trust", "the owner's root of signatures is stored".into());
    let server = ServerAddress {
        device: request.device.clone(),
        server_url: url.to_owned(),
        mqtt_host: answer.mqtt_host,
        mqtt_port: answer.mqtt_port,
        enrolled_ms: SystemClock.now_ms(),
    };
    files::save(&request.data_dir, &answer.certificate_pem, &answer.ca_pem, &server)?;
    pass("identity", format!("{} is enrolled", server.device));
    Ok(Enrolled { checks, words: asked.words.map(str::to_owned), server })
}

fn host_and_port(url: &str) -> anyhow::Result<(String, u16)> {
    let parsed: reqwest::Url = url.parse().with_context(|| format!("{url:?} is not an address"))?;
    if parsed.scheme() != "https" {
        bail!("{url} is not an https:// address; a token must not travel in the clear");
    }
    let host = parsed.host_str().with_context(|| format!("{url} names no host"))?;
    Ok((host.trim_matches(['[', ']']).to_owned(), parsed.port_or_known_default().unwrap_or(443)))
}

async fn reach(host: &str, port: u16) -> anyhow::Result<std::net::SocketAddr> {
    let connect = tokio::net::TcpStream::connect((host, port));
    match tokio::time::timeout(Duration::from_secs(10), connect).await {
        Ok(Ok(stream)) => Ok(stream.peer_addr()?),
        Ok(Err(error)) => {
            bail!("the server at {host}:{port} cannot be reached: {error}; check address, cable and firewall")
        }
        Err(_) => {
            bail!("the server at {host}:{port} does not answer within 10 s; check address and firewall")
        }
    }
}

async fn ask(url: &str, pin: Fingerprint, body: &Body<'_>) -> anyhow::Result<Answer> {
    let authority = PinnedAuthority::new(pin);
    let http = tls::http(authority.client_config()?)?;
    let sent = http.post(format!("{url}/api/v1/enrol")).json(body).timeout(Duration::from_secs(30)).send();
    let mut response = sent.await.map_err(|error| explain(url, pin, error))?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.context("the answer broke off")? {
        if bytes.len() + piece.len() > MAX_ANSWER {
            bail!("{url} answers with more than {MAX_ANSWER} bytes; is it a Dunlin server?");
        }
        bytes.extend_from_slice(&piece);
    }
    if status.is_success() {
        return serde_json::from_slice(&bytes)
            .with_context(|| format!("{url} does not answer like a Dunlin server"));
    }
    match serde_json::from_slice::<Refusal>(&bytes) {
        Ok(Refusal { code, message, cure }) => {
            Err(Refused { status: status.as_u16(), code, message, cure }.into())
        }
        Err(_) => bail!("enrolment refused: {url} answered {status}; is it a Dunlin server?"),
    }
}

fn explain(url: &str, pin: Fingerprint, error: reqwest::Error) -> anyhow::Error {
    let whole = format!("{:#}", anyhow::Error::from(error));
    if whole.contains("UnknownIssuer") {
        anyhow::anyhow!(
            "{url} does not show the CA {pin}: a mistyped fingerprint, another server, or someone in between; \
             copy the enrolment line anew from the server"
        )
    } else {
        anyhow::anyhow!("{url} refused a secure connection: {whole}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, ca: &str) -> (tempfile::TempDir, EnrolRequest) {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().to_owned();
        let device = "station-01".parse().unwrap();
        let (server_url, ca_fingerprint) = (url.to_owned(), ca.to_owned());
        (folder, EnrolRequest { server_url, ca_fingerprint, token: "t".into(), device, data_dir })
    }

    #[tokio::test]
    async fn a_cut_fingerprint_is_named_before_anything_is_sent() {
        let (_folder, request) = request("https://127.0.0.1:1", "sha256:abcd");
        let error = enrol(&request, |_| {}).await.unwrap_err().to_string();
        assert!(error.contains("sha256:abcd") && error.contains("64 hex digits"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_with_a_way_out() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (_folder, request) = request(&format!("https://{free}"), &"ab".repeat(32));
        let error = enrol(&request, |_| {}).await.unwrap_err().to_string();
        assert!(error.contains(&free.to_string()) && error.contains("firewall"), "{error}");
    }

    #[tokio::test]
    async fn a_token_is_not_sent_in_the_clear() {
        let (_folder, request) = request("http://127.0.0.1:1", &"ab".repeat(32));
        assert!(enrol(&request, |_| {}).await.unwrap_err().to_string().contains("https"));
    }
}
