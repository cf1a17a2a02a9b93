//! Config → build → run(shutdown). The only file that knows all rooms.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{Router, extract::FromRef};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::{self, Access, Authority, Public, authority::today},
    api,
    audit::Audit,
    broker::{self, Broker},
    clock::now_ms,
    config::Config,
    folder::{Folder, Lock},
    ingest::{Ingest, Live},
    link::{EmbeddedLink, Link},
    listen,
    storage::{Store, StoreError, devices, events, samples, windows},
};

/// How often old records are deleted.
const RETENTION: Duration = Duration::from_secs(3600);
const DAY_MS: i64 = 86_400_000;

/// What every room may hold: cheap to clone, made before any room that decides.
#[derive(Clone)]
pub struct Core {
    /// Settings.
    pub config: Arc<Config>,
    /// Where things lie.
    pub folder: Folder,
    /// The database.
    pub store: Store,
    /// The book of changes.
    pub audit: Audit,
    /// What has just happened.
    pub live: Live,
    /// Who may do what.
    pub access: Arc<Access>,
    /// The voice to devices.
    pub link: Arc<dyn Link>,
    /// Cancelled when the server ends; tasks stop then.
    pub shutdown: CancellationToken,
    /// Where tasks are spawned, so that the end waits for them.
    pub tasks: TaskTracker,
}

impl FromRef<Core> for Arc<Access> {
    fn from_ref(core: &Core) -> Self {
        Arc::clone(&core.access)
    }
}

/// What a running server tells about itself in `run.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The base of all HTTP addresses.
    pub https_url: String,
    /// The port for devices.
    pub mqtt_port: u16,
    /// The process.
    pub pid: u32,
}

/// A server, wired and bound, not yet serving.
pub struct App {
    core: Core,
    broker: Broker,
    http: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    run_file: RunFile,
    lock: Lock,
}

impl App {
    /// Opens the folder, binds both ports, wires all rooms.
    ///
    /// # Errors
    /// With a way out: no such folder, a damaged one, one that is served already, a port in use, a database of a newer version.
    pub async fn build(config: Config, folder: Folder) -> anyhow::Result<Self> {
        let lock = folder.lock()?;
        let http = bind(config.http.listen, config.http.port, "http", "--http-port").await?;
        let mqtt = bind(config.mqtt.listen, config.mqtt.port, "mqtt", "--mqtt-port").await?;
        let authority = Arc::new(Authority::load(&folder.ca_certificate(), &folder.ca_key())?);
        let own = authority.sign_server(names(&config), today())?;
        std::fs::write(folder.tls_certificate(), &own.pem)
            .with_context(|| format!("cannot write {}", folder.tls_certificate().display()))?;
        let public = public(&config, http.local_addr()?.port(), mqtt.local_addr()?.port());
        let broker = Broker::new(broker::Parts {
            listener: mqtt,
            tls: authority.mqtt_tls(&own)?,
            max_connections: config.mqtt.max_connections,
        });
        let tls = config.http.tls.then(|| authority.http_tls(&own)).transpose()?;
        let store = Store::open(&folder.database())?;
        store.write(devices::all_offline).await?;
        let link: Arc<dyn Link> = Arc::new(EmbeddedLink::new(broker.post()));
        let audit = Audit::new(store.clone());
        let access = Arc::new(Access::new(access::Parts {
            config: config.access.clone(),
            public: public.clone(),
            authority,
            store: store.clone(),
            audit: audit.clone(),
            link: Arc::clone(&link),
            folder: folder.clone(),
        }));
        let core = Core {
            config: Arc::new(config),
            folder,
            store,
            audit,
            live: Live::default(),
            access: Arc::clone(&access),
            link,
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let router = api::router(crate::rooms::build(&core).await?);
        let run_file =
            RunFile { https_url: public.url, mqtt_port: public.mqtt_port, pid: std::process::id() };
        Ok(Self { core, broker, http, tls, router, run_file, lock })
    }

    /// What all rooms hold.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The whole HTTP interface, for callers in this process.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Where this server is reached.
    pub fn run_file(&self) -> &RunFile {
        &self.run_file
    }

    /// Serves until `shutdown`, then ends in order: no new requests, devices say goodbye, tasks finish.
    ///
    /// # Errors
    /// If the retained messages or `run.json` cannot be written at the start.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { core, broker, http, tls, router, run_file, lock } = self;
        republish(&core.store, &broker.post()).await?;
        let hooks = Ingest::new(core.store.clone(), core.live.clone(), Arc::clone(&core.link));
        let serving = TaskTracker::new();
        serving.spawn(broker.run(Arc::new(hooks), core.shutdown.clone()));
        serving.spawn(listen::serve(http, tls, router, core.shutdown.clone()));
        core.tasks.spawn(retention(core.clone()));
        let path = core.folder.run_file();
        std::fs::write(&path, serde_json::to_vec_pretty(&run_file)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        tracing::info!(url = %run_file.https_url, mqtt.port = run_file.mqtt_port, "serving");
        shutdown.cancelled().await;
        tracing::info!("ending");
        core.shutdown.cancel();
        serving.close();
        serving.wait().await;
        core.tasks.close();
        core.tasks.wait().await;
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::debug!(%error, "run.json was gone already");
        }
        drop(lock);
        Ok(())
    }
}

async fn bind(
    address: std::net::IpAddr,
    port: u16,
    section: &str,
    option: &str,
) -> anyhow::Result<TcpListener> {
    let wanted = SocketAddr::from((address, port));
    TcpListener::bind(wanted).await.with_context(|| {
        format!(
            "cannot listen on port {port} ([{section}] in server.toml, address {address}); another program may \
             hold it: give another with {option}, where 0 takes any that is free"
        )
    })
}

/// All names the server's certificate is for.
fn names(config: &Config) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into(), config.http.host.clone()];
    names.push(config.mqtt.host.clone());
    names.extend(config.http.names.iter().cloned());
    names.extend(std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned()));
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
}

fn public(config: &Config, http_port: u16, mqtt_port: u16) -> Public {
    let scheme = if config.http.tls { "https" } else { "http" };
    let mqtt_host = if config.mqtt.host.is_empty() { &config.http.host } else { &config.mqtt.host };
    Public {
        url: format!("{scheme}://{}:{http_port}", config.http.host),
        mqtt_host: mqtt_host.clone(),
        mqtt_port,
        tls: config.http.tls,
    }
}

/// Fills the broker's retained messages from the database, which is their truth.
async fn republish(store: &Store, post: &broker::Post) -> anyhow::Result<()> {
    for (id, body) in store.read(devices::all_desired).await? {
        post.retain_desired(&id.parse()?, body).await;
    }
    Ok(())
}

/// Deletes what is older than the settings say, every hour.
async fn retention(core: Core) {
    let mut tick = tokio::time::interval(RETENTION);
    loop {
        tokio::select! {
            () = core.shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = delete_old(&core).await {
            tracing::warn!(reason = %crate::error::chain(&error), "old records could not be deleted");
        }
    }
}

async fn delete_old(core: &Core) -> Result<(), StoreError> {
    let keep = core.config.storage.clone();
    let before = |days: u32| now_ms() - i64::from(days) * DAY_MS;
    core.store
        .write(move |tx| {
            windows::delete_before(tx, before(keep.window_days))?;
            events::delete_before(tx, before(keep.event_days))?;
            samples::delete_before(tx, before(keep.sample_days)).map(drop)
        })
        .await
}
