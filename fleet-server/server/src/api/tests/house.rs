//! A server in a fresh folder, and requests to it without a socket.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt, path::PathBuf};

use axum::{
    Router,
    body::{Body, BodyDataStream, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use dunlin_protocol::{
    bundle::{Bundle, Manifest},
    spec::{ModelSpec, Task},
};
use dunlin_trust::{SigningKey, write::Targets};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{
    access::caller::Peer,
    app::{App, Core},
    config::Config,
    folder::Folder,
    init,
};

/// What the stand-in for the agent says.
const GOOD: &str = r#"{"ok":true,"checks":[{"name":"loads","ok":true,"detail":""}],"compared":true}"#;
const BAD: &str =
    r#"{"ok":false,"checks":[{"name":"golden","ok":false,"detail":"0.3 off"}],"compared":true}"#;

/// A server and its owner.
pub struct House {
    pub core: Core,
    pub token: String,
    router: Router,
    keys: PathBuf,
    folder: TempDir,
    _app: App,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("not JSON: {:?}", self.bytes))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl House {
    pub async fn new() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let (place, keys) = (folder.path().join("server"), folder.path().join("owner"));
        let arguments = init::Arguments {
            folder: place.clone(),
            host: vec!["localhost".into()],
            owner_keys: Some(keys.clone()),
            json: true,
        };
        let made = tokio::task::spawn_blocking(move || init::make_folder(&arguments)).await.unwrap().unwrap();
        let mut config = Config::default();
        (config.http.port, config.mqtt.port) = (0, 0);
        config.http.listen = [127, 0, 0, 1].into();
        config.mqtt.listen = [127, 0, 0, 1].into();
        let agent = folder.path().join("agent");
        config.probe.agent = Some(agent.clone());
        judge(&agent, GOOD, 0);
        let app = App::build(config, Folder::new(place)).await.unwrap();
        let (core, router) = (app.core().clone(), app.router());
        Self { core, router, keys, folder, token: made.admin_token, _app: app }
    }

    /// From now on the judge refuses.
    pub fn refuse_models(&self) {
        judge(&self.folder.path().join("agent"), BAD, 1);
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        request.extensions_mut().insert(Peer(SocketAddr::from(([192, 0, 2, 7], 4000))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Answer { status, headers, bytes }
    }

    /// The response with its body still running.
    pub async fn open(&self, path: &str) -> BodyDataStream {
        let request = self.request(Method::GET, path).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap().into_body().into_data_stream()
    }

    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let bearer = format!("Bearer {}", self.token);
        Request::builder().method(method).uri(path).header(header::AUTHORIZATION, bearer)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    pub async fn put(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(self.request(Method::PUT, path).body(body.into()).unwrap()).await
    }

    /// The published targets, for the owner to change.
    pub async fn targets(&self) -> Targets {
        Targets::from_bytes(&self.get("/api/v1/tuf/targets").await.bytes).unwrap()
    }

    /// The owner's release key.
    pub fn release_key(&self) -> SigningKey {
        SigningKey::load(&self.keys.join("release.pk8")).unwrap()
    }

    /// The next list of targets with one more, signed by `key`.
    pub async fn signed(&self, name: &str, bytes: &[u8], key: &SigningKey) -> Vec<u8> {
        let mut targets = self.targets().await;
        let expires = targets.body().expires();
        targets.edit().add_bytes(name, bytes, None);
        targets.bump(expires);
        targets.sign(key).unwrap();
        targets.to_bytes().unwrap()
    }
}

fn judge(path: &std::path::Path, says: &str, code: u8) {
    // Written beside and moved, so that no running copy is in the way.
    let new = path.with_extension("new");
    std::fs::write(&new, format!("#!/bin/sh\nprintf '%s' '{says}'\nexit {code}\n")).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// A bundle of this version.
pub fn bundle(model: &str) -> Vec<u8> {
    let spec = ModelSpec {
        task: Task::Other,
        inputs: Vec::new(),
        outputs: Vec::new(),
        labels: Vec::new(),
        thresholds: Default::default(),
        target: None,
    };
    let manifest = Manifest::new(model.parse().unwrap(), spec);
    let (model, card, sbom) = (vec![7; 10_000], "# card\n".to_owned(), "{}".to_owned());
    Bundle { manifest, model, reference: None, golden: None, card, sbom }.write().unwrap()
}
