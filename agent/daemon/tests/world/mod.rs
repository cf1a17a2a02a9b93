//! A small world: an owner who signs models, a repository on loopback, a device's folder.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::State, http::Uri, response::IntoResponse};
use dunlin_agent::{
    SystemClock,
    serving::{LoadedModel, Models, Shelf},
    spool::{self, Spool},
    telemetry::Events,
    update::{
        Config, Driver, Ledger, Updates,
        start::count_start,
        work::{Trust, Worker},
    },
};
use dunlin_protocol::{
    ModelRef,
    bundle::{Bundle, Golden, Manifest},
    message::{Desired, DesiredModel},
    tensor::{Tensor, TensorData},
    update::{UpdateReport, UpdateState},
};
use dunlin_runtime::Model;
use dunlin_trust::{
    Client, SigningKey, Transport, TrustStore, target_path,
    write::{OnlineKeys, Periods, Repository, Root, Targets, TopRole},
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// A linear regression over ten columns.
const ONNX: &[u8] = include_bytes!("../../../runtime/tests/models/dia_lin.onnx");

pub struct World {
    pub folder: TempDir,
    key: SigningKey,
    targets: Targets,
    repository: Repository,
    root: Vec<u8>,
    pub address: String,
}

/// Serves the repository; a target of a model called `stuck` never comes.
async fn file(State(folder): State<PathBuf>, uri: Uri) -> impl IntoResponse {
    if uri.path().contains("/targets/") && uri.path().contains("stuck-") {
        std::future::pending::<()>().await;
    }
    match tokio::fs::read(folder.join(uri.path().trim_start_matches('/'))).await {
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(axum::http::StatusCode::NOT_FOUND),
    }
}

impl World {
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let [owner, key, timestamp, snapshot] = [(); 4].map(|()| SigningKey::generate().unwrap());
        let online = OnlineKeys { timestamp, snapshot };
        let now = Timestamp::now();
        let mut root = Root::new(now + YEAR);
        for (role, key) in [
            (TopRole::Root, &owner),
            (TopRole::Targets, &key),
            (TopRole::Timestamp, &online.timestamp),
            (TopRole::Snapshot, &online.snapshot),
        ] {
            root.edit().set_role(role, 1, &[key.public().clone()]).unwrap();
        }
        root.sign(&owner).unwrap();
        let root = root.to_bytes().unwrap();
        let mut targets = Targets::new(now + YEAR);
        targets.sign(&key).unwrap();
        let metadata = folder.path().join("served/metadata");
        let signed = targets.to_bytes().unwrap();
        let repository =
            Repository::create(&metadata, &root, &signed, online, Periods::default(), now).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(file).with_state(folder.path().join("served"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { folder, key, targets, repository, root, address }
    }

    /// Signs and publishes a bundle; `bend` may change the bytes that are served after they were signed.
    pub fn publish(&mut self, bundle: &Bundle, bend: impl FnOnce(&mut Vec<u8>)) {
        let name = bundle.model_ref().target().to_string();
        let mut bytes = bundle.write().unwrap();
        self.targets.bump(Timestamp::now() + YEAR);
        self.targets.edit().add_bytes(&name, &bytes, None);
        self.targets.sign(&self.key).unwrap();
        self.repository.accept_targets(&self.targets.to_bytes().unwrap(), Timestamp::now()).unwrap();
        let hash = dunlin_agent::serving::loaded::sha256_hex(&bytes);
        bend(&mut bytes);
        let path = self.folder.path().join("served/targets").join(target_path(&name, &hash, true));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("device")
    }

    /// Starts the device's update room. Its server is at `address`.
    pub fn device(&self, address: &str, config: Config) -> Device {
        let data_dir = self.data_dir();
        let clock = Arc::new(SystemClock);
        let (shelf, mut damages) = Shelf::open(&data_dir);
        let (mut ledger, damaged) = Ledger::open(&data_dir);
        count_start(&mut ledger, &shelf, &*clock, &config);
        let (models, failed) = Models::load(&shelf, &*clock);
        damages.extend(damaged.into_iter().chain(failed));
        let (models, shelf) = (Arc::new(models), Arc::new(shelf));
        let spool = Spool::open(&data_dir.join("spool"), &spool::Config::default(), rand::random());
        let spool = Arc::new(spool);
        let store = TrustStore::create(&data_dir.join("trust"), &self.root).unwrap();
        let base = [format!("{address}/metadata"), format!("{address}/targets")];
        let transport = Transport::new(reqwest::Client::new(), &base[0], &base[1]).unwrap();
        let worker = Worker {
            data_dir,
            config,
            models: models.clone(),
            shelf,
            clock: clock.clone(),
            identity: None,
            trust: Trust { client: Some(Client::new(store, transport)), verified: None }.into(),
            judge: None,
            tested: Default::default(),
        };
        let (updates, changed, stop) =
            (Arc::new(Updates::default()), Arc::new(Notify::new()), CancellationToken::new());
        let (desired, wishes) = watch::channel(None);
        let events = Events::new(spool, clock);
        let driver = Driver::new(worker, ledger, events, updates.clone(), changed.clone(), wishes);
        let task = tokio::spawn(driver.run(stop.clone()));
        Device { models, updates, changed, desired, stop, task, damages }
    }
}

pub struct Device {
    pub models: Arc<Models>,
    updates: Arc<Updates>,
    changed: Arc<Notify>,
    desired: watch::Sender<Option<Desired>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    pub damages: Vec<String>,
}

impl Device {
    pub fn want(&self, generation: u64, model: &str) {
        self.want_again(generation, model, false);
    }

    pub fn want_again(&self, generation: u64, model: &str, again: bool) {
        let target = format!("{model}.dunlin").parse().unwrap();
        let models = vec![DesiredModel { target, rollout: None, again }];
        self.desired.send_replace(Some(Desired { generation, at_ms: 0, models }));
    }

    pub fn want_all(&self, generation: u64, models: &[&str]) {
        let wanted = |model: &&str| DesiredModel {
            target: format!("{model}.dunlin").parse().unwrap(),
            rollout: None,
            again: false,
        };
        let models = models.iter().map(wanted).collect();
        self.desired.send_replace(Some(Desired { generation, at_ms: 0, models }));
    }

    /// Waits until so many updates of this generation ended.
    pub async fn all_end(&self, generation: u64, count: usize) -> Vec<UpdateReport> {
        let ended = || {
            let reports = self.updates.report().1.into_iter();
            reports.filter(|r| r.generation == generation && r.state.is_final()).collect::<Vec<_>>()
        };
        self.kept(|| ended().len() == count).await;
        ended()
    }

    /// Waits until something holds.
    pub async fn kept(&self, holds: impl Fn() -> bool) {
        let wait = async {
            while !holds() {
                let _ = tokio::time::timeout(Duration::from_millis(20), self.changed.notified()).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
        assert!(waited.is_ok(), "it did not come to that; updates: {:?}", self.updates.report());
    }

    /// Waits until the update of this generation satisfies `check`.
    pub async fn until(&self, generation: u64, check: impl Fn(&UpdateState) -> bool) -> UpdateReport {
        let mut seen = Vec::new();
        let wait = async {
            loop {
                let (_, reports) = self.updates.report();
                if let Some(report) = reports.iter().find(|r| r.generation == generation && check(&r.state)) {
                    return report.clone();
                }
                seen = reports;
                // Each step wakes; a timer beside it, since one wake-up may stand for several steps.
                let _ = tokio::time::timeout(Duration::from_millis(20), self.changed.notified()).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), wait).await {
            Ok(report) => report,
            Err(_) => panic!("generation {generation} did not get there; last seen: {seen:?}"),
        }
    }

    /// Waits for the end of an update.
    pub async fn end(&self, generation: u64) -> UpdateState {
        self.until(generation, UpdateState::is_final).await.state
    }

    /// The version that answers.
    pub fn answers(&self) -> Option<String> {
        self.models.get("line").map(|loaded: Arc<LoadedModel>| loaded.model.version.to_string())
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Ends as `kill -9` would: nothing is tidied up.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

pub fn quick() -> Config {
    Config { probation_seconds: 0, fetch_deadline_seconds: 2, reconcile_seconds: 1, ..Config::default() }
}

/// A bundle of the linear model, with golden vectors that fit or do not.
pub fn bundle(version: &str, right: bool) -> Bundle {
    bundle_of(&format!("line-{version}"), right)
}

/// The same under another name.
pub fn bundle_of(model: &str, right: bool) -> Bundle {
    let model: ModelRef = model.parse().unwrap();
    let loaded = Model::load(ONNX, None).unwrap();
    let inputs = row(0.5);
    let mut outputs = loaded.run(&inputs).unwrap();
    if let (false, TensorData::Fp32(values)) = (right, &mut outputs[0].data) {
        values[0] += 1.0;
    }
    let golden = Golden { origin: "a test".into(), inputs, outputs, tolerance: 1e-4 };
    let manifest = Manifest::new(model, loaded.spec().clone());
    let (card, sbom) = ("# line".into(), "{}".into());
    Bundle { manifest, model: ONNX.to_vec(), reference: None, golden: Some(golden), card, sbom }
}

pub fn row(value: f32) -> Vec<Tensor> {
    vec![Tensor { name: "X".into(), shape: vec![1, 10], data: TensorData::Fp32(vec![value; 10]) }]
}

pub fn flip_a_bit(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}
