//! Bytes over HTTP: bounded in size and in time. Nothing that comes from here is believed before it is verified.
//!
//! The caller brings the `reqwest::Client`, and with it certificate authority, proxy and client certificate.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, RANGE};
use reqwest::{Response, StatusCode, Url};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{Error, Result};
use crate::fetch::Meter;

/// How long the network may take ("slow retrieval", TUF specification section 1.5.10).
#[derive(Clone, Debug)]
pub struct Patience {
    /// Between two pieces of a body, and for the answer to begin.
    pub stall: Duration,
    /// For one metadata file, all in all.
    pub metadata: Duration,
    /// A download slower than this on the whole is broken off (and resumed at the next attempt).
    pub min_bytes_per_second: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { stall: Duration::from_secs(30), metadata: Duration::from_secs(120), min_bytes_per_second: 256 }
    }
}

/// Where metadata and targets are fetched from.
#[derive(Clone, Debug)]
pub struct Transport {
    http: reqwest::Client,
    metadata: Url,
    targets: Url,
    pub(crate) patience: Patience,
}

impl Transport {
    /// Fetches metadata below `metadata_url` and targets below `targets_url`, both taken as folders.
    ///
    /// # Errors
    /// [`Error::Usage`] if an address is not one.
    pub fn new(http: reqwest::Client, metadata_url: &str, targets_url: &str) -> Result<Self> {
        let (metadata, targets) = (folder_url(metadata_url)?, folder_url(targets_url)?);
        Ok(Self { http, metadata, targets, patience: Patience::default() })
    }

    /// The same with other time limits.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// A metadata file of at most `cap` bytes; `None` if the server says that there is none. 403 counts as none
    /// beside 404, because object stores answer so.
    pub(crate) async fn metadata(&self, name: &str, cap: u64) -> Result<Option<Vec<u8>>> {
        let url = self.metadata.join(name).map_err(|e| Error::malformed(name, e))?;
        let deadline = Instant::now() + self.patience.metadata;
        let fetch = async {
            let mut response = self.get(name, url, 0).await?;
            match response.status() {
                StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => return Ok(None),
                status if status == StatusCode::OK => {}
                status => return Err(broken(name, format!("the server answered {status}"))),
            }
            let mut meter = Meter::new(name, cap);
            let mut bytes = Vec::new();
            while let Some(piece) = self.next_piece(name, &mut response).await? {
                meter.take(&piece)?;
                bytes.extend_from_slice(&piece);
            }
            Ok(Some(bytes))
        };
        match timeout_at(deadline, fetch).await {
            Ok(result) => result,
            Err(_) => Err(broken(name, format!("not complete after {:?}", self.patience.metadata))),
        }
    }

    /// The beginning of a target's answer, asked for from byte `from` on.
    pub(crate) async fn target(&self, path: &str, from: u64) -> Result<Response> {
        let mut url = self.targets.clone();
        url.path_segments_mut()
            .map_err(|()| Error::malformed(path, "the targets address cannot have paths below it"))?
            .pop_if_empty()
            .extend(path.split('/'));
        self.get(path, url, from).await
    }

    /// The next piece of a body, `None` at its end.
    pub(crate) async fn next_piece(&self, what: &str, response: &mut Response) -> Result<Option<Vec<u8>>> {
        match timeout(self.patience.stall, response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece.map(Vec::from)),
            Ok(Err(e)) => Err(failed(what, "the connection broke off", e)),
            Err(_) => Err(broken(what, format!("nothing came for {:?}", self.patience.stall))),
        }
    }

    async fn get(&self, what: &str, url: Url, from: u64) -> Result<Response> {
        // Identity, so that lengths and ranges mean the signed bytes.
        let mut request = self.http.get(url).header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        match timeout(self.patience.stall, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(e)) => Err(failed(what, "the server could not be reached", e)),
            Err(_) => Err(broken(what, format!("no answer for {:?}", self.patience.stall))),
        }
    }
}

/// A network failure without a library error underneath.
pub(crate) fn broken(what: &str, reason: impl Into<String>) -> Error {
    Error::Network { what: what.to_owned(), reason: reason.into(), source: None }
}

fn failed(what: &str, reason: &str, source: reqwest::Error) -> Error {
    Error::Network { what: what.to_owned(), reason: reason.to_owned(), source: Some(source) }
}

fn folder_url(text: &str) -> Result<Url> {
    let slash = if text.ends_with('/') { "" } else { "/" };
    Url::parse(&format!("{text}{slash}")).map_err(|e| Error::Usage {
        what: format!("address {text:?}"),
        reason: format!("{e}; give one like https://fleet.example/tuf/metadata"),
    })
}
