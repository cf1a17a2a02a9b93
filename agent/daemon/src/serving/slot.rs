//! Slots on disk: `models/NAME/slots.json` says which bundle answers and which would if it were taken back.
//! A bundle's file is named by version and hash, so that writing one never touches another. The slots stand there
//! twice, since what they name is all that may be served: a damaged file does not end the service.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use dunlin_protocol::{ModelName, ModelRef};
use serde::{Deserialize, Serialize};

use crate::durable;

/// Where the slots of a name stand.
const SLOTS: &str = "slots.json";

/// Where they stand once more.
const COPY: &str = "slots-copy.json";

/// A verified bundle on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Name and version.
    pub model: ModelRef,
    /// SHA-256 in lower-case hex, as signed.
    pub sha256: String,
    /// Since when it answers, in milliseconds since 1970 by the device's clock.
    pub since_ms: i64,
}

/// What a model name answers with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// The one that answers.
    pub current: Option<Slot>,
    /// The last known good, which answers if `current` is taken back.
    pub previous: Option<Slot>,
    /// True once `current` passed its probation: only then may it become a `previous`.
    pub proven: bool,
}

impl Slots {
    /// Makes `slot` the answering one. What answered before becomes the fallback if it was proven.
    pub fn activate(&mut self, slot: Slot) {
        if self.current.as_ref().is_some_and(|current| current.sha256 == slot.sha256) {
            return;
        }
        // Going back from a model on probation: what was good before still is.
        if !self.proven && self.previous.as_ref().is_some_and(|previous| previous.sha256 == slot.sha256) {
            (self.current, self.previous, self.proven) = (Some(slot), None, true);
            return;
        }
        let before = self.current.replace(slot);
        if self.proven || self.previous.is_none() {
            self.previous = before;
        }
        self.proven = false;
    }

    /// Makes the fallback answer again; `None` (and nothing changes) without one.
    pub fn go_back(&mut self) -> Option<&Slot> {
        let previous = self.previous.take()?;
        self.proven = true;
        Some(self.current.insert(previous))
    }

    /// A bundle that is here already.
    pub fn find(&self, model: &ModelRef) -> Option<&Slot> {
        self.current.iter().chain(&self.previous).find(|slot| slot.model == *model)
    }
}

/// The slots of one model name.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder of one model name.
    pub fn new(data_dir: &Path, name: &ModelName) -> Self {
        Self { path: data_dir.join("models").join(name.as_str()) }
    }

    /// Names that have a folder.
    pub fn names(data_dir: &Path) -> Vec<ModelName> {
        let entries = fs::read_dir(data_dir.join("models")).into_iter().flatten().flatten();
        let mut names: Vec<ModelName> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        names.sort();
        names
    }

    /// Where a bundle's file stands.
    pub fn bundle(&self, model: &ModelRef, sha256: &str) -> PathBuf {
        let short: String = sha256.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        self.path.join(format!("{}-{short}.dunlin", model.version))
    }

    /// Reads the slots; empty when there are none.
    pub fn read(&self) -> anyhow::Result<Slots> {
        self.recover().map(|(slots, _)| slots)
    }

    /// Reads the slots, from their copy where they are damaged; then also says what is wrong with them.
    pub fn recover(&self) -> anyhow::Result<(Slots, Option<anyhow::Error>)> {
        let copy = || durable::read_json(&self.path.join(COPY));
        match durable::read_json(&self.path.join(SLOTS)) {
            Ok(Some(slots)) => Ok((slots, None)),
            Ok(None) => Ok(match copy()? {
                Some(slots) => {
                    (slots, Some(anyhow::anyhow!("{} is missing", self.path.join(SLOTS).display())))
                }
                None => (Slots::default(), None),
            }),
            Err(error) => match copy() {
                Ok(Some(slots)) => Ok((slots, Some(error))),
                _ => Err(error),
            },
        }
    }

    /// Writes the slots: the moment that counts. The copy follows; one that is older leads to the same slots, since
    /// the update's record is held against them at each start.
    pub fn write(&self, slots: &Slots) -> anyhow::Result<()> {
        durable::write_json(&self.path.join(SLOTS), slots)?;
        if let Err(error) = durable::write_json(&self.path.join(COPY), slots) {
            tracing::warn!(error = %format!("{error:#}"), "the slots have no up-to-date copy");
        }
        Ok(())
    }

    /// Removes bundles that are neither in a slot nor `keep`.
    pub fn tidy(&self, slots: &Slots, keep: Option<&Path>) -> anyhow::Result<()> {
        let named: Vec<PathBuf> = slots
            .current
            .iter()
            .chain(&slots.previous)
            .map(|slot| self.bundle(&slot.model, &slot.sha256))
            .chain(keep.map(Path::to_owned))
            .collect();
        let Ok(entries) = fs::read_dir(&self.path) else { return Ok(()) };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let bundle = name.ends_with(".dunlin") || name.ends_with(".dunlin.part");
            let wanted =
                named.iter().any(|keep| path.to_string_lossy().starts_with(&*keep.to_string_lossy()));
            if bundle && !wanted {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(version: &str) -> Slot {
        Slot { model: format!("rain-{version}").parse().unwrap(), sha256: version.repeat(20), since_ms: 0 }
    }

    #[test]
    fn an_unproven_model_never_becomes_the_fallback() {
        let mut slots = Slots::default();
        slots.activate(slot("1.0.0"));
        slots.proven = true;
        slots.activate(slot("1.1.0"));
        assert_eq!(slots.previous, Some(slot("1.0.0")));
        slots.activate(slot("1.2.0"));
        assert_eq!(slots.previous, Some(slot("1.0.0")), "1.1.0 was not proven");
        assert_eq!(slots.go_back(), Some(&slot("1.0.0")));
        assert!(slots.proven && slots.previous.is_none());
    }

    #[test]
    fn going_back_from_probation_leaves_the_good_one_proven() {
        let mut slots = Slots::default();
        slots.activate(slot("1.0.0"));
        slots.proven = true;
        slots.activate(slot("1.1.0"));
        slots.activate(slot("1.0.0"));
        assert_eq!(slots, Slots { current: Some(slot("1.0.0")), previous: None, proven: true });
    }

    #[test]
    fn activating_twice_changes_nothing() {
        let mut slots = Slots::default();
        slots.activate(slot("1.0.0"));
        slots.proven = true;
        slots.activate(slot("1.1.0"));
        let once = slots.clone();
        slots.activate(slot("1.1.0"));
        assert_eq!(slots, once);
    }

    #[test]
    fn tidying_leaves_what_a_slot_names() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::new(data.path(), &"rain".parse().unwrap());
        let mut slots = Slots::default();
        slots.activate(slot("1.0.0"));
        folder.write(&slots).unwrap();
        for version in ["1.0.0", "1.1.0", "1.2.0"] {
            fs::write(folder.bundle(&slot(version).model, &slot(version).sha256), "x").unwrap();
        }
        let keep = folder.bundle(&slot("1.2.0").model, &slot("1.2.0").sha256);
        folder.tidy(&slots, Some(&keep)).unwrap();
        let bundles = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|kind| kind == "dunlin");
        let left = fs::read_dir(data.path().join("models/rain")).unwrap().flatten().filter(bundles).count();
        assert_eq!(left, 2);
        assert_eq!(folder.read().unwrap(), slots);
    }

    #[test]
    fn damaged_slots_are_read_from_their_copy() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::new(data.path(), &"rain".parse().unwrap());
        let mut slots = Slots::default();
        slots.activate(slot("1.0.0"));
        folder.write(&slots).unwrap();
        for damage in [Some("{"), None] {
            match damage {
                Some(bytes) => fs::write(folder.path.join(SLOTS), bytes).unwrap(),
                None => fs::remove_file(folder.path.join(SLOTS)).unwrap(),
            }
            let (found, wrong) = folder.recover().unwrap();
            assert_eq!(found, slots);
            assert!(wrong.unwrap().to_string().contains(SLOTS));
        }
        fs::write(folder.path.join(SLOTS), "{").unwrap();
        fs::write(folder.path.join(COPY), "{").unwrap();
        assert!(folder.recover().is_err());
    }
}
