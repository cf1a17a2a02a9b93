//! The work of each state. Every step can be done twice without harm.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use anyhow::Context as _;
use dunlin_protocol::{
    ModelName,
    update::{Reason, UpdateState},
};
use dunlin_trust::{Client, Error, TargetInfo, Transport, TrustStore, Verified};

use super::{Config, machine::Event, record::Record, trial};
use crate::{
    board::report::disk_free,
    clock::Clock,
    identity::{Identity, tls},
    serving::{
        LoadedModel, Models, Shelf,
        slot::{Folder, Slot, Slots},
    },
};

/// Space left free beside a download, in bytes.
const SPARE: u64 = 4 << 20;

/// Reasons to fail after which another attempt may go on from what was fetched.
const RESUMED: [&str; 3] = ["deadline", "network", "disk-full"];

/// Does the work of states, and keeps in memory what the next state can use.
pub struct Worker {
    /// The agent's data folder.
    pub data_dir: PathBuf,
    /// Times and limits.
    pub config: Config,
    /// Models that answer.
    pub models: Arc<Models>,
    /// Bundles that may answer.
    pub shelf: Arc<Shelf>,
    /// The device's clock.
    pub clock: Arc<dyn Clock>,
    /// For the way to the server; without it nothing can be fetched.
    pub identity: Option<Arc<Identity>>,
    /// The way to what is signed.
    pub trust: tokio::sync::Mutex<Trust>,
    /// The program that tries a bundle before this one loads it; without it only this one does.
    pub judge: Option<PathBuf>,
    /// Models that passed their self-test, by name.
    pub tested: Mutex<BTreeMap<ModelName, Arc<LoadedModel>>>,
}

/// The way to what is signed. Held for a look-up, never for a download.
#[derive(Debug, Default)]
pub struct Trust {
    /// The TUF client, opened at its first use.
    pub client: Option<Client>,
    /// What the last refresh proved.
    pub verified: Option<Verified>,
}

impl Worker {
    /// Does the work of the record's state. `fetched` hears bytes while downloading.
    pub async fn work(&self, record: &mut Record, fetched: impl FnMut(u64) + Send) -> Event {
        let result = match record.state {
            UpdateState::Resolving => self.resolve(record).await,
            UpdateState::Downloading => self.download(record, fetched).await,
            UpdateState::Verifying => self.verify(record).await,
            UpdateState::Staging => self.stage(record),
            UpdateState::SelfTest => self.self_test(record).await,
            UpdateState::Shadow => self.shadow(record).await,
            UpdateState::Activating => self.activate(record).await,
            UpdateState::Probation => Ok(self.watch(record)),
            _ => Ok(Event::Tick),
        };
        result.unwrap_or_else(|fault| fault)
    }

    /// Looks the target up in signed metadata. What is here already and still signed needs no download; without a
    /// network a bundle that was verified before may be used again, so that going back never waits for one.
    async fn resolve(&self, record: &mut Record) -> Result<Event, Event> {
        let folder = self.folder(record);
        let here = self.shelf.get(&record.model().name).find(record.model()).cloned();
        match self.look_up(record).await {
            Ok(target) => {
                record.sha256 = Some(target.sha256().to_owned());
                record.length = Some(target.length());
            }
            Err(Error::Network { .. }) if here.is_some() => {
                record.sha256 = here.as_ref().map(|slot| slot.sha256.clone());
                record.length = None;
            }
            Err(error) => return Err(trust_fault(&error)),
        }
        let sha256 = record.sha256.as_deref().unwrap_or_default();
        let path = folder.bundle(record.model(), sha256);
        Ok(if here.is_some_and(|slot| slot.sha256 == sha256) && path.exists() {
            Event::Here
        } else {
            Event::Done
        })
    }

    async fn look_up(&self, record: &Record) -> Result<TargetInfo, Error> {
        let now =
            jiff::Timestamp::from_millisecond(self.clock.now_ms()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let mut trust = self.trust.lock().await;
        let verified = self.client(&mut trust)?.refresh(now).await?;
        let target = verified.require(&record.target.to_string());
        trust.verified = Some(verified);
        target
    }

    fn client<'a>(&self, trust: &'a mut Trust) -> Result<&'a mut Client, Error> {
        if trust.client.is_none() {
            trust.client = Some(open_client(&self.data_dir, self.identity.as_deref())?);
        }
        trust.client.as_mut().ok_or_else(|| unusable("the trust store is closed"))
    }

    async fn download(&self, record: &Record, fetched: impl FnMut(u64) + Send) -> Result<Event, Event> {
        let name = record.target.to_string();
        let known = self.trust.lock().await.verified.as_ref().and_then(|verified| verified.target(&name));
        let target = match known {
            Some(target) => target,
            None => self.look_up(record).await.map_err(|error| trust_fault(&error))?,
        };
        if record.sha256.as_deref() != Some(target.sha256()) {
            return Err(Event::Fault {
                reason: Reason::new(
                    "target-changed",
                    format!("{name} was signed anew meanwhile; ask for it again"),
                ),
                again: false,
            });
        }
        let free = disk_free(&self.data_dir).unwrap_or(u64::MAX);
        if free < target.length() + SPARE {
            let text = format!("{name} needs {} bytes, {free} are free; free some space", target.length());
            return Err(Event::Fault { reason: Reason::new("disk-full", text), again: true });
        }
        let dest = self.folder(record).bundle(record.model(), target.sha256());
        let mut trust = self.trust.lock().await;
        let source = self.client(&mut trust).map(|client| client.source());
        drop(trust);
        let source = source.map_err(|error| trust_fault(&error))?;
        source.download(&target, &dest, fetched).await.map_err(|error| trust_fault(&error))?;
        Ok(Event::Done)
    }

    async fn verify(&self, record: &Record) -> Result<Event, Event> {
        let (path, model) = (self.bundle(record), record.model().clone());
        let (sha256, length) = (record.sha256.clone().unwrap_or_default(), record.length);
        blocking("verify", move || {
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let found = crate::serving::loaded::sha256_hex(&bytes);
            anyhow::ensure!(found == sha256, "the bundle has SHA-256 {found}, {sha256} was signed");
            let expected = length.unwrap_or(bytes.len() as u64);
            anyhow::ensure!(bytes.len() as u64 == expected, "the bundle has another length than was signed");
            let bundle = dunlin_protocol::bundle::read(&bytes)?;
            anyhow::ensure!(*bundle.model_ref() == model, "the bundle holds {}", bundle.model_ref());
            Ok(())
        })
        .await
        .map(|()| Event::Done)
    }

    /// The verified file stands in its place already; what no slot names makes room.
    fn stage(&self, record: &Record) -> Result<Event, Event> {
        let slots = self.shelf.get(&record.model().name);
        self.folder(record)
            .tidy(&slots, Some(&self.bundle(record)))
            .map_err(|error| fault("disk", &error))?;
        Ok(Event::Done)
    }

    async fn self_test(&self, record: &Record) -> Result<Event, Event> {
        if let Some(judge) = &self.judge {
            let limit = Duration::from_secs(self.config.work_deadline_seconds / 2);
            let tried = trial::try_apart(judge, &self.bundle(record), limit).await;
            tried.map_err(|error| fault("self-test", &error))?;
        }
        let loaded = self.load(record, true).await?;
        self.tested().insert(record.model().name.clone(), Arc::new(loaded));
        Ok(Event::Done)
    }

    async fn load(&self, record: &Record, golden: bool) -> Result<LoadedModel, Event> {
        let (path, model) = (self.bundle(record), record.model().clone());
        let (sha256, clock) = (record.sha256.clone().unwrap_or_default(), self.clock.clone());
        blocking("self-test", move || {
            let (loaded, bundle) = LoadedModel::open(&path, &model, &sha256, &*clock)?;
            if golden {
                crate::serving::loaded::prove(&loaded, &bundle)?;
            }
            Ok(loaded)
        })
        .await
    }

    /// Runs beside the answering model; without one, or without a shadow time, there is nothing to wait for.
    async fn shadow(&self, record: &Record) -> Result<Event, Event> {
        let name = &record.model().name;
        if self.config.shadow_seconds == 0 || self.models.get(name.as_str()).is_none() {
            return Ok(Event::Done);
        }
        let challenger = match self.models.challenger(name).filter(|loaded| is_of(record, loaded)) {
            Some(challenger) => challenger,
            None => {
                let challenger = match self.take_tested(record) {
                    Some(tested) => tested,
                    None => Arc::new(self.load(record, true).await?),
                };
                self.models.challenge(name, Some(challenger.clone()));
                challenger
            }
        };
        Ok(judge(&challenger, &self.config))
    }

    async fn activate(&self, record: &Record) -> Result<Event, Event> {
        self.models.challenge(&record.model().name, None);
        let model = record.model();
        let tested = self.take_tested(record);
        let (since_ms, sha256) = (self.clock.now_ms(), record.sha256.clone().unwrap_or_default());
        // What ran in the shadow has counted there; it answers with fresh counters.
        let loaded = match tested {
            Some(tested) if self.config.shadow_seconds == 0 => tested,
            _ => Arc::new(self.load(record, false).await?),
        };
        let mut slots = self.shelf.get(&model.name);
        slots.activate(Slot { model: model.clone(), sha256, since_ms });
        let fallback = slots.previous.as_ref().map(|slot| slot.model.clone());
        self.shelf.record(&model.name, slots).map_err(|error| fault("disk", &error))?;
        self.models.put(loaded, fallback);
        Ok(Event::Done)
    }

    fn watch(&self, record: &Record) -> Event {
        match self.models.get(record.model().name.as_str()) {
            Some(loaded) if loaded.model == *record.model() => judge(&loaded, &self.config),
            _ => Event::Unhealthy(Reason::new("not-serving", "its bundle could not be loaded again")),
        }
    }

    /// What entering a final state asks for. Also done at start, in case a crash came between.
    pub fn settle(&self, record: &Record) -> anyhow::Result<()> {
        let (folder, name) = (self.folder(record), &record.model().name);
        let mut slots = self.shelf.get(name);
        if settle_slots(record, &mut slots) {
            self.shelf.settle(name, slots.clone());
        }
        self.models.challenge(name, None);
        let answers = self.models.get(name.as_str());
        match &slots.current {
            Some(slot) if answers.as_ref().is_none_or(|loaded| loaded.sha256 != slot.sha256) => {
                let path = folder.bundle(&slot.model, &slot.sha256);
                let (loaded, _) = LoadedModel::open(&path, &slot.model, &slot.sha256, &*self.clock)?;
                self.models.put(Arc::new(loaded), slots.previous.as_ref().map(|slot| slot.model.clone()));
            }
            Some(_) => self.models.set_fallback(name, slots.previous.as_ref().map(|slot| slot.model.clone())),
            None if answers.is_some() => self.models.remove(name),
            None => {}
        }
        self.tested().remove(name);
        // Where only time, network or space was short, the next attempt goes on from what was fetched.
        let short =
            matches!(&record.state, UpdateState::Failed(reason) if RESUMED.contains(&reason.code.as_str()));
        let part = short.then(|| self.bundle(record));
        // What prepared a model has run.
        dunlin_pages::give_back();
        folder.tidy(&slots, part.as_deref())
    }

    fn tested(&self) -> MutexGuard<'_, BTreeMap<ModelName, Arc<LoadedModel>>> {
        self.tested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model that passed its self-test, if it is this record's.
    fn take_tested(&self, record: &Record) -> Option<Arc<LoadedModel>> {
        self.tested().remove(&record.model().name).filter(|tested| is_of(record, tested))
    }

    fn folder(&self, record: &Record) -> Folder {
        self.shelf.folder(&record.model().name)
    }

    fn bundle(&self, record: &Record) -> PathBuf {
        self.folder(record).bundle(record.model(), record.sha256.as_deref().unwrap_or_default())
    }
}

fn is_of(record: &Record, loaded: &LoadedModel) -> bool {
    record.sha256.as_ref() == Some(&loaded.sha256)
}

/// Brings the slots in line with a final state; true if they changed. Decides only.
pub fn settle_slots(record: &Record, slots: &mut Slots) -> bool {
    let answers = slots.current.as_ref().is_some_and(|slot| slot.model == *record.model());
    match record.state {
        UpdateState::Committed if answers && !slots.proven => {
            slots.proven = true;
            true
        }
        UpdateState::RolledBack(_) if answers && !slots.proven => {
            if slots.go_back().is_none() {
                slots.current = None;
            }
            true
        }
        _ => false,
    }
}

fn judge(loaded: &LoadedModel, config: &Config) -> Event {
    let (answered, failed) = (loaded.answered.load(Ordering::Relaxed), loaded.failed.load(Ordering::Relaxed));
    let ratio = failed as f64 / (answered + failed).max(1) as f64;
    if failed >= config.min_failures.max(1) && ratio > config.max_failure_ratio {
        let text =
            format!("{failed} of {} runs failed, more than {}", answered + failed, config.max_failure_ratio);
        Event::Unhealthy(Reason::new("failure-ratio", text))
    } else {
        Event::Tick
    }
}

fn open_client(data_dir: &Path, identity: Option<&Identity>) -> Result<Client, Error> {
    let identity = identity.ok_or_else(|| unusable("the device is not enrolled"))?;
    let folder = data_dir.join("trust");
    let store = match TrustStore::open(&folder) {
        Err(Error::Damaged { .. }) => {
            let dropped = TrustStore::repair(&folder)?;
            tracing::warn!(?dropped, "damaged trust metadata was dropped and is fetched again");
            TrustStore::open(&folder)?
        }
        other => other?,
    };
    let http =
        tls::enrolled(identity).and_then(tls::http).map_err(|error| unusable(&format!("{error:#}")))?;
    let base = &identity.server.server_url;
    let transport = Transport::new(http, &format!("{base}/tuf/metadata"), &format!("{base}/tuf/targets"))?;
    Ok(Client::new(store, transport))
}

fn unusable(reason: &str) -> Error {
    Error::Usage { what: "model update".into(), reason: reason.to_owned() }
}

async fn blocking<T: Send + 'static>(
    code: &'static str,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, Event> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(fault(code, &error)),
        Err(_) => Err(fault(code, &anyhow::anyhow!("the work ended in a panic"))),
    }
}

fn fault(code: &str, error: &anyhow::Error) -> Event {
    Event::Fault { reason: Reason::new(code, format!("{error:#}")), again: false }
}

/// A stable word for each way in which trust can fail, and whether another attempt may help.
fn trust_fault(error: &Error) -> Event {
    let (code, again) = match error {
        Error::Network { .. } => ("network", true),
        Error::Expired { .. } => ("expired", true),
        Error::NotFound { .. } => ("not-signed", true),
        Error::Rollback { .. } => ("rollback-attack", false),
        Error::Signature { .. } => ("signature", false),
        Error::Mismatch { .. } | Error::TooLarge { .. } | Error::Malformed { .. } => ("not-as-signed", false),
        Error::Damaged { .. } => ("trust-damaged", false),
        Error::Disk { .. } => ("disk", false),
        _ => ("setup", false),
    };
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Event::Fault { reason: Reason::new(code, text), again }
}
