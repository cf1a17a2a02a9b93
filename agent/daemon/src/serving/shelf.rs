//! The slots of every model name as they count now: in memory, with the disk behind.
//!
//! What must survive a restart before it happens is [recorded](Shelf::record) first. What keeps a good model
//! answering is [settled](Shelf::settle) at once and written as soon as the disk takes it: a full or broken disk
//! takes no model away.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use dunlin_protocol::ModelName;

use super::slot::{Folder, Slots};

/// The slots of every name.
#[derive(Debug)]
pub struct Shelf {
    data_dir: PathBuf,
    names: Mutex<BTreeMap<ModelName, Shelved>>,
}

#[derive(Debug, Default)]
struct Shelved {
    slots: Slots,
    /// True while the disk holds something older.
    unwritten: bool,
}

impl Shelf {
    /// Reads the slots of every name, and says for people which are damaged. Damage is a matter of its own name:
    /// its copy stands in, and without one that name alone has no slots until it is fetched again.
    pub fn open(data_dir: &Path) -> (Self, Vec<String>) {
        let (mut names, mut damages) = (BTreeMap::new(), Vec::new());
        for name in Folder::names(data_dir) {
            let shelved = match Folder::new(data_dir, &name).recover() {
                Ok((slots, None)) => Shelved { slots, unwritten: false },
                Ok((slots, Some(wrong))) => {
                    damages.push(format!("{wrong:#}; its copy is used"));
                    Shelved { slots, unwritten: true }
                }
                Err(wrong) => {
                    damages.push(format!("{wrong:#}; {name} is not served until it is fetched again"));
                    Shelved::default()
                }
            };
            names.insert(name, shelved);
        }
        (Self { data_dir: data_dir.to_owned(), names: Mutex::new(names) }, damages)
    }

    /// Names that have slots, or had them.
    pub fn names(&self) -> Vec<ModelName> {
        self.lock().keys().cloned().collect()
    }

    /// Where a name's bundles stand.
    pub fn folder(&self, name: &ModelName) -> Folder {
        Folder::new(&self.data_dir, name)
    }

    /// The slots of a name; empty when it has none.
    pub fn get(&self, name: &ModelName) -> Slots {
        self.lock().get(name).map(|shelved| shelved.slots.clone()).unwrap_or_default()
    }

    /// Makes these slots count once they are on disk.
    pub fn record(&self, name: &ModelName, slots: Slots) -> anyhow::Result<()> {
        self.folder(name).write(&slots)?;
        self.lock().insert(name.clone(), Shelved { slots, unwritten: false });
        Ok(())
    }

    /// Makes these slots count at once; they are on disk as soon as it takes them.
    pub fn settle(&self, name: &ModelName, slots: Slots) {
        self.lock().insert(name.clone(), Shelved { slots, unwritten: true });
        self.write_behind();
    }

    /// Writes what the disk has not taken yet; true when nothing is left to write.
    pub fn write_behind(&self) -> bool {
        let mut all = true;
        for (name, shelved) in self.lock().iter_mut().filter(|(_, shelved)| shelved.unwritten) {
            match self.folder(name).write(&shelved.slots) {
                Ok(()) => shelved.unwritten = false,
                Err(error) => {
                    all = false;
                    tracing::warn!(error = %format!("{error:#}"), "slots wait in memory for a place on disk");
                }
            }
        }
        all
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ModelName, Shelved>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
