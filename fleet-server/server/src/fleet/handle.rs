//! What people ask of the fleet: begin, pause, resume and abort rollouts; and the task that takes the turns.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use dunlin_protocol::{DeviceId, ModelRef};
use dunlin_rollout::{Rollout, RolloutError, Waves, WavesError};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use super::{
    StoredRollout, desired, device,
    driver::Memory,
    orders,
    stored::{self, Mark, Summary},
    waves,
};
use crate::{
    audit::Audit,
    clock::now_ms,
    ingest::live::{Kind, Live},
    link::{Link, LinkError},
    registry::rows::{self, Stage},
    storage::{Store, StoreError},
};

/// Time between two turns, where no news comes earlier.
const TURN: Duration = Duration::from_secs(1);

/// Why the fleet did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// There is no such rollout.
    #[error("there is no rollout {0:?}")]
    UnknownRollout(String),
    /// There is nobody to roll out to.
    #[error("no device is enrolled, so there is nobody to roll out to")]
    NoDevices,
    /// There is no such device.
    #[error("there is no device {0:?}, or it was revoked")]
    UnknownDevice(String),
    /// The model is not a release.
    #[error("{model} cannot be rolled out: {reason}")]
    NotReleased {
        /// The model.
        model: String,
        /// How far it came; none if it is not here.
        stage: Option<Stage>,
        /// Why.
        reason: &'static str,
    },
    /// A rollout of that name runs.
    #[error("rollout {id} of {model} is still running; only one rollout of a model name runs at a time")]
    Busy {
        /// The running rollout.
        id: String,
        /// Its model.
        model: String,
    },
    /// The rollout cannot be made or changed.
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    /// The waves are not usable.
    #[error(transparent)]
    Waves(#[from] WavesError),
    /// The broker did not take a desired state.
    #[error("the desired state could not be published")]
    Publish(#[from] LinkError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How waves are named.
#[derive(Debug, Clone)]
pub enum WavesChoice {
    /// By name.
    Named(String),
    /// As values.
    Given(Waves),
}

/// A rollout that is asked for.
#[derive(Debug, Clone)]
pub struct Start {
    /// What is rolled out.
    pub model: ModelRef,
    /// In which waves.
    pub waves: WavesChoice,
    /// To which devices; `None` is all of them.
    pub devices: Option<Vec<DeviceId>>,
    /// Who asks.
    pub who: String,
}

/// What a person does to a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Hold it.
    Pause,
    /// Go on.
    Resume,
    /// End it; devices go back.
    Abort,
}

/// The fleet's driver. Clones share it.
#[derive(Clone)]
pub struct Fleet {
    pub(super) store: Store,
    pub(super) link: Arc<dyn Link>,
    pub(super) live: Live,
    pub(super) audit: Audit,
    pub(super) memory: Arc<Mutex<Memory>>,
    waves: PathBuf,
    news: Arc<Notify>,
}

impl Fleet {
    /// A driver that has not begun. `waves` is the folder with the owner's own waves.
    pub fn new(store: Store, link: Arc<dyn Link>, live: Live, audit: Audit, waves: PathBuf) -> Self {
        let (memory, news) = (Arc::default(), Arc::default());
        Self { store, link, live, audit, memory, waves, news }
    }

    /// Takes turns until `stop`: at start, each second, and when there is news.
    pub async fn run(self, stop: CancellationToken) {
        if let Err(error) = self.publish_all().await {
            tracing::error!(%error, "desired states could not be published at start");
        }
        let mut heard = self.live.listen();
        loop {
            if let Err(error) = self.turn(now_ms()).await {
                tracing::error!(%error, "a turn of the fleet failed; the next one tries again");
            }
            let state_came = async {
                loop {
                    match heard.recv().await {
                        Ok(event) if event.kind != Kind::State => {}
                        _ => break,
                    }
                }
                // Reports come in crowds; one turn serves them all.
                tokio::time::sleep(TURN / 5).await;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TURN) => {}
                () = self.news.notified() => {}
                () = state_came => {}
            }
        }
    }

    /// What a rollout would do, without doing it.
    ///
    /// # Errors
    /// As [`Fleet::start`].
    pub async fn plan(&self, start: &Start) -> Result<Rollout, FleetError> {
        let model = start.model.clone();
        let (row, devices, told, rollouts) = self
            .store
            .read(move |db| {
                Ok((rows::find(db, &model)?, device::all(db)?, desired::all(db)?, stored::list(db)?))
            })
            .await?;
        let stage = row.map(|row| row.stage);
        let reason = match stage {
            Some(Stage::Release) => None,
            Some(Stage::Candidate) => Some("it is a candidate that its owner has not signed"),
            Some(Stage::Rejected) => Some("it failed its probe"),
            None => Some("it is not here"),
        };
        if let Some(reason) = reason {
            return Err(FleetError::NotReleased { model: start.model.to_string(), stage, reason });
        }
        let running = stored::latest(rollouts)
            .into_iter()
            .find(|other| other.rollout.model.name == start.model.name && !other.rollout.phase.is_final());
        if let Some(running) = running {
            let (id, model) = (running.rollout.id.clone(), running.rollout.model.to_string());
            return Err(FleetError::Busy { id, model });
        }
        let waves = match &start.waves {
            WavesChoice::Named(name) => waves::named(name, &self.waves)?,
            WavesChoice::Given(waves) => waves.clone(),
        };
        let asked: Option<BTreeSet<&DeviceId>> = start.devices.as_ref().map(|ids| ids.iter().collect());
        let usable: Vec<_> = devices.iter().filter(|known| known.row.revoked_ms.is_none()).collect();
        if usable.is_empty() {
            return Err(FleetError::NoDevices);
        }
        let unknown = asked.iter().flatten().find(|id| !usable.iter().any(|known| known.id == ***id));
        if let Some(unknown) = unknown {
            return Err(FleetError::UnknownDevice(unknown.to_string()));
        }
        let members = usable
            .into_iter()
            .filter(|known| asked.as_ref().is_none_or(|asked| asked.contains(&known.id)))
            .map(|known| (known.id.clone(), orders::before(known, told.get(&known.id), &start.model.name)));
        Ok(Rollout::new(new_id(), start.model.clone(), members, waves, now_ms())?)
    }

    /// Begins a rollout.
    ///
    /// # Errors
    /// [`FleetError`], when it cannot be.
    pub async fn start(&self, start: Start) -> Result<StoredRollout, FleetError> {
        // One at a time: two that begin together must not both find the name free.
        let turn = self.memory.lock().await;
        let rollout = self.plan(&start).await?;
        let stored = StoredRollout {
            sentence: dunlin_rollout::explain(&rollout),
            rollout,
            fleet_wide: start.devices.is_none(),
            who: start.who.clone(),
            mark: Mark::default(),
            begun_ms: Vec::new(),
            ended_ms: None,
            control: Summary::default(),
            treatment: Summary::default(),
        };
        let kept = stored.clone();
        self.store.write(move |db| stored::put(db, &kept)).await?;
        drop(turn);
        let detail =
            serde_json::json!({ "model": start.model.to_string(), "devices": stored.rollout.previous.len() });
        self.audit.record(&start.who, "rollout-started", &stored.rollout.id, detail).await?;
        self.live.changed(Kind::Rollout, stored.rollout.id.clone());
        self.news.notify_one();
        Ok(stored)
    }

    /// Pauses, resumes or aborts.
    ///
    /// # Errors
    /// [`FleetError::UnknownRollout`], or [`FleetError::Rollout`] where the phase does not allow it.
    pub async fn act(&self, id: &str, act: Act, who: &str) -> Result<StoredRollout, FleetError> {
        let turn = self.memory.lock().await;
        let mut found = self.rollout(id).await?;
        let now = now_ms();
        found.rollout = match act {
            Act::Pause => dunlin_rollout::pause(&found.rollout, now)?,
            Act::Resume => dunlin_rollout::resume(&found.rollout, now)?,
            Act::Abort => dunlin_rollout::abort(&found.rollout, &format!("aborted by {who}"), now)?,
        };
        found.sentence = dunlin_rollout::explain(&found.rollout);
        if found.rollout.phase.is_final() {
            found.ended_ms = Some(now);
        }
        let kept = found.clone();
        self.store.write(move |db| stored::put(db, &kept)).await?;
        drop(turn);
        let what = match act {
            Act::Pause => "rollout-paused",
            Act::Resume => "rollout-resumed",
            Act::Abort => "rollout-aborted",
        };
        self.audit.record(who, what, id, serde_json::Value::Null).await?;
        self.live.changed(Kind::Rollout, id);
        self.news.notify_one();
        Ok(found)
    }

    /// One rollout.
    ///
    /// # Errors
    /// [`FleetError::UnknownRollout`] if there is none of that id.
    pub async fn rollout(&self, id: &str) -> Result<StoredRollout, FleetError> {
        let wanted = id.to_owned();
        let found = self.store.read(move |db| stored::find(db, &wanted)).await?;
        found.ok_or_else(|| FleetError::UnknownRollout(id.chars().take(64).collect()))
    }
}

/// A short id that people can type.
fn new_id() -> String {
    format!("r{:08x}", rand::random::<u32>())
}
