//! Models that answer now, by name, swapped whole.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use dunlin_protocol::{ModelName, ModelRef, message::Serving};
use tokio::sync::watch;

use super::{
    LoadedModel, Shelf,
    slot::{Folder, Slot},
};
use crate::clock::Clock;

/// A name's answering model with what stands behind it.
#[derive(Debug, Clone)]
struct Answering {
    loaded: Arc<LoadedModel>,
    fallback: Option<ModelRef>,
}

/// Every model that answers.
#[derive(Debug)]
pub struct Models {
    answering: RwLock<BTreeMap<ModelName, Answering>>,
    /// Versions on trial beside the answering one.
    challengers: RwLock<BTreeMap<ModelName, Arc<LoadedModel>>>,
    /// Versions that were swapped out, but can still count: a run or a late label may hold them.
    retired: Mutex<Vec<Arc<LoadedModel>>>,
    version: watch::Sender<u64>,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            answering: RwLock::default(),
            challengers: RwLock::default(),
            retired: Mutex::default(),
            version: watch::Sender::new(0),
        }
    }
}

impl Models {
    /// Loads what the slots say. A damaged current bundle falls back to the last known good one. Also returns, for
    /// people, what could not be used and what answers instead.
    pub fn load(shelf: &Shelf, clock: &dyn Clock) -> (Self, Vec<String>) {
        let (models, mut damages) = (Self::default(), Vec::new());
        for name in shelf.names() {
            let (folder, mut slots) = (shelf.folder(&name), shelf.get(&name));
            while let Some(slot) = slots.current.clone() {
                match open(&folder, &slot, clock) {
                    Ok(loaded) => {
                        models.put(Arc::new(loaded), slots.previous.as_ref().map(|slot| slot.model.clone()));
                        break;
                    }
                    Err(error) => {
                        if slots.go_back().is_none() {
                            slots.current = None;
                        }
                        shelf.settle(&name, slots.clone());
                        damages.push(damage(&slot, slots.current.as_ref(), &error));
                    }
                }
            }
        }
        (models, damages)
    }

    /// The model that answers for a name. The caller keeps it for the whole of its request.
    pub fn get(&self, name: &str) -> Option<Arc<LoadedModel>> {
        let name: ModelName = name.parse().ok()?;
        self.read().get(&name).map(|answering| answering.loaded.clone())
    }

    /// Every model that answers.
    pub fn all(&self) -> Vec<Arc<LoadedModel>> {
        self.read().values().map(|answering| answering.loaded.clone()).collect()
    }

    /// Makes a model answer for its name, at once and for every request from now on.
    pub fn put(&self, loaded: Arc<LoadedModel>, fallback: Option<ModelRef>) {
        let name = loaded.model.name.clone();
        let mut map = self.answering.write().unwrap_or_else(PoisonError::into_inner);
        let before = map.insert(name, Answering { loaded, fallback });
        drop(map);
        self.retire(before);
    }

    /// Says what would answer if the model of this name were taken back.
    pub fn set_fallback(&self, name: &ModelName, fallback: Option<ModelRef>) {
        let mut map = self.answering.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(answering) = map.get_mut(name) {
            answering.fallback = fallback;
        }
    }

    /// Stops answering for a name.
    pub fn remove(&self, name: &ModelName) {
        let before = self.answering.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.retire(before);
    }

    /// Sets or removes the version on trial beside the answering one.
    pub fn challenge(&self, name: &ModelName, challenger: Option<Arc<LoadedModel>>) {
        let mut map = self.challengers.write().unwrap_or_else(PoisonError::into_inner);
        match challenger {
            Some(loaded) => map.insert(name.clone(), loaded),
            None => map.remove(name),
        };
    }

    /// The version on trial.
    pub fn challenger(&self, name: &ModelName) -> Option<Arc<LoadedModel>> {
        self.challengers.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Models whose windows are to be closed: those that answer, and those that did, until nobody holds them who
    /// could count something more.
    pub fn to_close(&self) -> Vec<Arc<LoadedModel>> {
        let mut all = self.all();
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(retired.iter().cloned());
        // Held here and in `all`.
        retired.retain(|loaded| Arc::strong_count(loaded) > 2);
        all
    }

    /// What to report.
    pub fn report(&self) -> Vec<Serving> {
        let serving = |answering: &Answering| Serving {
            model: answering.loaded.model.clone(),
            since_ms: answering.loaded.since_ms,
            compared: answering.loaded.compared,
            fallback: answering.fallback.clone(),
        };
        self.read().values().map(serving).collect()
    }

    /// Changes with every swap.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn retire(&self, before: Option<Answering>) {
        if let Some(before) = before {
            let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
            retired.push(before.loaded);
        }
        self.version.send_modify(|version| *version += 1);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<ModelName, Answering>> {
        self.answering.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(folder: &Folder, slot: &Slot, clock: &dyn Clock) -> anyhow::Result<LoadedModel> {
    let path = folder.bundle(&slot.model, &slot.sha256);
    let (mut loaded, _) = LoadedModel::open(&path, &slot.model, &slot.sha256, clock)?;
    loaded.since_ms = slot.since_ms;
    Ok(loaded)
}

fn damage(slot: &Slot, instead: Option<&Slot>, error: &anyhow::Error) -> String {
    let way = instead.map_or("nothing else is here; it is fetched again".into(), |slot| {
        format!("{} answers instead", slot.model)
    });
    format!("{}: {error:#}; {way}", slot.model)
}
