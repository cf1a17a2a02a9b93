//! The agent, put together. The one file that knows all rooms.
//!
//! Config → [`Agent::start`] wires and starts tasks → [`Running`] is joined by [`Running::shutdown`].

use std::{fs::File, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use dunlin_protocol::{
    DeviceId,
    message::{Command, Desired, Reply, Severity, State},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    board::Board,
    clock::{Clock, SystemClock},
    config::Config,
    durable,
    identity::Identity,
    link::{self, LinkReport, connection::Parts},
    pipeline::{
        Pipeline,
        feed::{Counters, Feed},
        recent::Recent,
    },
    sampling::Sampler,
    service::{self, Progress},
    serving::{self, Models, Shelf},
    source::{Rows, faults::Fault},
    spool::Spool,
    status,
    telemetry::{Events, Windows},
    update::{self, Driver, Ledger, Updates, work::Worker},
};

/// When everything has started: models answer, and the link stood up at least once where there is a network.
const STARTED: Duration = Duration::from_secs(5);

/// What surrounds an agent: the parts of the world that a simulator replaces.
pub struct Surroundings {
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// False while there is no network.
    pub weather: watch::Receiver<bool>,
    /// Scripted sensor faults.
    pub faults: watch::Receiver<Vec<Fault>>,
    /// The program that tries new models in a process of its own; without it they are tried in this one.
    pub judge: Option<PathBuf>,
}

impl Surroundings {
    /// The real world.
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            weather: watch::channel(true).1,
            faults: watch::channel(vec![]).1,
            judge: None,
        }
    }
}

/// The agent before it runs.
pub struct Agent;

/// Everything that the running tasks share.
pub struct Shared {
    pub(crate) device: Option<DeviceId>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) models: Arc<Models>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) board: Board,
    pub(crate) updates: Arc<Updates>,
    pub(crate) health: Arc<link::Health>,
    pub(crate) counters: Arc<Counters>,
    progress: Arc<Progress>,
    windows: Windows,
    events: Events,
    changed: Arc<Notify>,
    desired: watch::Sender<Option<Desired>>,
}

/// A running agent.
pub struct Running {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
    address: Option<String>,
    /// Two agents in one folder would destroy each other's records.
    _lock: Option<File>,
}

impl Agent {
    /// Starts every room. What cannot work at all (a port in use, a missing source) is an error here.
    pub async fn start(config: Config, surroundings: Surroundings) -> anyhow::Result<Running> {
        config.source.check()?;
        let Surroundings { clock, weather, faults, judge } = surroundings;
        let data_dir = config.data_dir.clone();
        std::fs::create_dir_all(&data_dir)
            .with_context(|| format!("{} cannot be made; give --data-dir", data_dir.display()))?;
        let lock = durable::lock(&data_dir)?;
        let identity = Identity::load(&data_dir)?.map(Arc::new);
        let rows = Rows::open(&config.source)?;
        let listener = serving::listen::bind(&config.serving.listen).await?;

        // Before any model is loaded: a crash loop must be seen by the start after it.
        let (shelf, mut damages) = Shelf::open(&data_dir);
        let (mut ledger, damaged) = Ledger::open(&data_dir);
        damages.extend(damaged);
        let ended = update::start::count_start(&mut ledger, &shelf, &*clock, &config.update);
        let (models, failed) = Models::load(&shelf, &*clock);
        let (models, shelf) = (Arc::new(models), Arc::new(shelf));
        let boot = rand::random::<u64>() >> 11;
        let spool = Arc::new(Spool::open(&data_dir.join("spool"), &config.spool, boot));
        let events = Events::new(spool.clone(), clock.clone());
        events.tell("boot", Severity::Info, format!("agent {} started", env!("CARGO_PKG_VERSION")));
        for damage in damages {
            events.tell("state-damaged", Severity::Error, damage);
        }
        for failure in failed {
            events.tell("model-failed", Severity::Error, failure);
        }
        for record in ended {
            events.tell_update(Severity::Error, record.report(None));
        }

        let (stop, tasks, changed) = (CancellationToken::new(), TaskTracker::new(), Arc::new(Notify::new()));
        let (desired, wishes) = watch::channel(None);
        let (counters, progress) = (Arc::new(Counters::default()), Arc::new(Progress::default()));
        let shared = Arc::new(Shared {
            device: identity.as_ref().map(|identity| identity.server.device.clone()),
            windows: Windows::new(models.clone(), spool.clone(), clock.clone()),
            events: events.clone(),
            board: Board::new(&data_dir, config.board.modes.clone()),
            updates: Arc::default(),
            health: Arc::default(),
            clock: clock.clone(),
            models: models.clone(),
            spool: spool.clone(),
            counters: counters.clone(),
            progress: progress.clone(),
            changed: changed.clone(),
            desired,
        });

        let worker = Worker {
            data_dir,
            config: config.update.clone(),
            models: models.clone(),
            shelf,
            clock: clock.clone(),
            identity: identity.clone(),
            trust: Default::default(),
            judge,
            tested: Default::default(),
        };
        let updates = shared.updates.clone();
        let driver = Driver::new(worker, ledger, events.clone(), updates, changed.clone(), wishes);
        tasks.spawn(driver.run(stop.child_token()));
        let sampler = Sampler::new(config.sampling, spool.clone(), clock.clone());
        let pipeline = Arc::new(Pipeline { models, recent: Recent::default(), sampler, progress });
        if let Some(rows) = rows {
            let tell =
                Arc::new(move |code: &'static str, text: String| events.tell(code, Severity::Warning, text));
            let config = config.source.clone();
            let feed = Feed { config, rows, pipeline: pipeline.clone(), faults, counters, tell };
            tasks.spawn(feed.run(stop.child_token()));
        }
        let address = listener.as_ref().map(serving::listen::Listener::address);
        if let Some(listener) = listener {
            let router = serving::http::router(&config.serving, pipeline, shared.clone());
            let served = listener.serve(router, stop.child_token());
            tasks.spawn(async move {
                if let Err(error) = served.await {
                    tracing::error!(error = %format!("{error:#}"), "the local API ended");
                }
            });
        }
        let window = Duration::from_secs(config.telemetry.window_seconds);
        tasks.spawn(close_windows(shared.clone(), window, stop.child_token()));
        tasks.spawn(tell_manager(shared.clone(), window, stop.child_token()));
        tasks.spawn(give_pages_back(stop.child_token()));
        match identity {
            Some(identity) => {
                let parts = Parts {
                    device: identity.server.device.clone(),
                    identity,
                    config: config.link,
                    spool,
                    agent: shared.clone(),
                    changed,
                    health: shared.health.clone(),
                    weather,
                };
                tasks.spawn(link::task::run(parts, move || clock.now_ms(), stop.child_token()));
            }
            None => tracing::warn!(
                "not enrolled: models are served, nothing is reported; run `dunlin-agent enrol`"
            ),
        }
        tasks.close();
        Ok(Running { shared, tasks, stop, address, _lock: lock })
    }
}

/// Closes windows at their time, and once more at the end; tells of drops as often. Flushing to disk is not for the async threads.
async fn close_windows(shared: Arc<Shared>, every: Duration, stop: CancellationToken) {
    let mut tick = tokio::time::interval(every);
    tick.tick().await;
    loop {
        let stopped = tokio::select! { () = stop.cancelled() => true, _ = tick.tick() => false };
        let closing = shared.clone();
        let close = move || {
            closing.windows.close();
            closing.events.tell_drops();
            for (mode, about) in closing.board.begun() {
                closing.events.tell(mode, Severity::Warning, about);
            }
            closing.progress.window();
        };
        if let Err(error) = tokio::task::spawn_blocking(close).await {
            tracing::error!(%error, "closing the windows failed");
        }
        if stopped {
            return;
        }
    }
}

/// Most of the program ran for the last time when everything has started.
async fn give_pages_back(stop: CancellationToken) {
    if stop.run_until_cancelled(tokio::time::sleep(STARTED)).await.is_some() {
        let given = tokio::task::spawn_blocking(dunlin_pages::give_back).await;
        tracing::debug!(bytes = given.unwrap_or(0), "pages of the start are given back");
    }
}

/// Tells systemd how it stands, and that it still works, until the end.
async fn tell_manager(shared: Arc<Shared>, window: Duration, stop: CancellationToken) {
    service::notify::run(&shared.progress, window, || status::line(&shared), stop).await;
}

impl Running {
    /// Where the local API answers.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Records an event.
    pub fn tell(&self, code: &str, severity: Severity, message: String) {
        self.shared.events.tell(code, severity, message);
    }

    /// Status, models, spool and link of this agent.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Stops every task: the last windows are on disk and the goodbye is said, within ten seconds.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if tokio::time::timeout(Duration::from_secs(10), self.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not end within 10 s");
        }
    }
}

impl Shared {
    /// How the link stands.
    pub fn link(&self) -> LinkReport {
        self.health.report()
    }

    /// Models that answer.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// Rows that a model answered, and rows that could not be used.
    pub fn rows(&self) -> (u64, u64) {
        use std::sync::atomic::Ordering::Relaxed;
        (self.counters.rows.load(Relaxed), self.counters.bad.load(Relaxed))
    }
}

impl link::Agent for Shared {
    fn state(&self) -> State {
        let (generation, updates) = self.updates.report();
        State {
            online: true,
            boot: self.spool.boot(),
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: self.clock.now_ms(),
            clock: self.clock.quality(),
            generation,
            serving: self.models.report(),
            updates,
            spool: Some(self.spool.report()),
            system: self.board.report(),
            modes: self.board.modes(self.clock.quality()),
        }
    }

    fn desired(&self, desired: Desired) {
        self.desired.send_replace(Some(desired));
    }

    fn command(&self, command: Command) -> Reply {
        let reply = |ok, message: String| Reply { ok, message, values: Default::default() };
        match command.name.as_str() {
            "ping" => reply(true, format!("pong at {}", self.clock.now_ms())),
            "report" => {
                let windows = self.windows.close();
                self.changed.notify_one();
                reply(true, format!("{windows} windows closed"))
            }
            other => reply(false, format!("command {other:?} is not known; there are: ping, report")),
        }
    }
}

impl serving::http::Status for Shared {
    fn status(&self) -> Value {
        let (rows, bad_rows) = self.rows();
        json!({
            "device": self.device,
            "state": link::Agent::state(self),
            "link": self.link(),
            "rows": { "answered": rows, "bad": bad_rows },
            "records": { "accepted": self.spool.accepted(), "delivered": self.health.report().delivered },
        })
    }

    fn metrics(&self) -> String {
        status::metrics(self)
    }
}
