//! The fleet server's REST API from the outside. The one file that names the HTTP library.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use dunlin_trust::pin::{Fingerprint, PinnedAuthority};
use futures_util::StreamExt;
use reqwest::{
    Certificate, Method, RequestBuilder, Response,
    multipart::{Form, Part},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::profile::Profile;

/// Longest line of a server-sent event that is kept.
const MAX_EVENT: usize = 1 << 20;

/// A connection to one server.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Api {
    /// A client for a profile.
    pub fn new(profile: &Profile) -> anyhow::Result<Self> {
        let mut builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(10));
        if let Some(authority) = &profile.authority {
            let der = STANDARD.decode(authority).context("the profile's certificate authority is damaged")?;
            builder = builder.tls_certs_only([Certificate::from_der(&der)?]);
        }
        let base = profile.server.trim_end_matches('/').to_owned();
        Ok(Self { http: builder.build()?, base, token: profile.token.clone() })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/v1{path}", self.base)).bearer_auth(&self.token)
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request
            .send()
            .await
            .with_context(|| format!("no answer from {}; is the server running and reachable?", self.base))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.text().await.unwrap_or_default();
        Err(refusal(status.as_u16(), &body))
    }

    /// GET, JSON out.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let request = self.request(Method::GET, path).timeout(Duration::from_secs(60));
        Ok(self.send(request).await?.json().await?)
    }

    /// GET, bytes out.
    pub async fn get_bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        Ok(self.send(self.request(Method::GET, path)).await?.bytes().await?.to_vec())
    }

    /// POST, JSON in and out.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.request(Method::POST, path).timeout(Duration::from_secs(120)).json(body);
        json_or_null(self.send(request).await?).await
    }

    /// POST, bytes in, JSON out. Training data and bundles may take their time.
    pub async fn upload(&self, path: &str, content_type: &str, body: Vec<u8>) -> anyhow::Result<Value> {
        let request = self.request(Method::POST, path).header("content-type", content_type).body(body);
        json_or_null(self.send(request).await?).await
    }

    /// POST a model, and what another runtime gave where that is known; JSON out.
    pub async fn upload_model(
        &self,
        path: &str,
        model: Vec<u8>,
        golden: Option<Vec<u8>>,
    ) -> anyhow::Result<Value> {
        let Some(golden) = golden else {
            return self.upload(path, "application/octet-stream", model).await;
        };
        let file = |bytes: Vec<u8>, name: &'static str| Part::bytes(bytes).file_name(name);
        let form = Form::new().part("model", file(model, "model")).part("golden", file(golden, "golden"));
        json_or_null(self.send(self.request(Method::POST, path).multipart(form)).await?).await
    }

    /// PUT, bytes in, JSON out.
    pub async fn put(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Value> {
        json_or_null(self.send(self.request(Method::PUT, path).body(body)).await?).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        json_or_null(self.send(self.request(Method::DELETE, path)).await?).await
    }

    /// Server-sent events: hands each event's data to `each` until it says stop or the server ends.
    pub async fn events(
        &self,
        path: &str,
        mut each: impl FnMut(&str) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let request = self.request(Method::GET, path).header("accept", "text/event-stream");
        let mut stream = self.send(request).await?.bytes_stream();
        let mut pending: Vec<u8> = Vec::new();
        while let Some(chunk) = stream.next().await {
            pending.extend_from_slice(&chunk.context("the stream broke off")?);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if let Some(data) = line.trim_end().strip_prefix("data:")
                    && !each(data.trim_start())?
                {
                    return Ok(());
                }
            }
            if pending.len() > MAX_EVENT {
                bail!("the server sent a line of more than {MAX_EVENT} bytes");
            }
        }
        Ok(())
    }
}

async fn json_or_null(response: Response) -> anyhow::Result<Value> {
    let bytes = response.bytes().await?;
    if bytes.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&bytes)?) }
}

/// The server's own words where it gave any, the status otherwise.
fn refusal(status: u16, body: &str) -> anyhow::Error {
    let Ok(Value::Object(error)) = serde_json::from_str::<Value>(body) else {
        return anyhow!("the server answered with status {status}");
    };
    let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let message =
        if text("message").is_empty() { format!("status {status}") } else { text("message").to_owned() };
    match text("cure") {
        "" => anyhow!("{message}"),
        cure => anyhow!("{message}\n  → {cure}"),
    }
}

/// Finds the certificate authority of a server by its fingerprint; DER.
pub async fn find_authority(server: &str, pin: Fingerprint) -> anyhow::Result<Vec<u8>> {
    let pinned = PinnedAuthority::new(pin);
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(pinned.client_config()?)
        .connect_timeout(Duration::from_secs(10))
        .build()?;
    http.get(format!("{}/healthz", server.trim_end_matches('/'))).send().await.with_context(|| {
        format!("{server} does not answer with a certificate of the authority {pin}; compare the fingerprint")
    })?;
    let authority = pinned.authority().context("the server speaks without TLS; leave --ca out")?;
    Ok(authority.to_vec())
}
