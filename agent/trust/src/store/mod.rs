//! The trust store: what a device believes, on disk, so that it survives power cuts and is never made weaker.
//!
//! ```text
//! DIR/root.json timestamp.json snapshot.json targets.json ROLE.json   byte for byte as served
//! DIR/floors/a  DIR/floors/b                                          the record, twice
//! ```
//! A commit writes new files beside the old (`.new`), then the record, then renames. The record is the moment
//! that counts: opening a store finishes the renames that a power cut left undone. Whatever differs from the
//! record is damage, and damage is a refusal; only [`TrustStore::repair`], called on purpose, drops damaged
//! cached files, and it keeps the floors.
//!
//! It does not judge metadata (`client` does), and it does not lock: one process owns a store.
//!
//! Modules: `floors` (the rules), `record` (how they are kept).

pub(crate) mod floors;
mod record;

use std::path::{Path, PathBuf};

use sigstore_tuf::{Metadata, Root, TrustedMetadataSet};

use self::floors::Floors;
use self::record::Record;
use crate::crypto::{self, sha256_hex};
use crate::disk;
use crate::error::{Error, Result};
use crate::names::quote;

/// No cached metadata file is larger than this.
const CAP: u64 = 16 << 20;

/// A device's trust, in one folder.
#[derive(Debug)]
pub struct TrustStore {
    dir: PathBuf,
    record: Record,
    root: Vec<u8>,
}

/// One step of trust: files to write and roles to forget, under new floors.
#[derive(Default)]
pub(crate) struct Change<'a> {
    pub put: Option<(&'a str, &'a [u8])>,
    pub forget: Vec<&'static str>,
}

impl TrustStore {
    /// Begins trust in `root`, the bytes of a `root.json` that came by a safe way (enrolment). Calling it again
    /// with the same root opens the store that is there.
    ///
    /// # Errors
    /// [`Error::Signature`] or [`Error::Malformed`] if the root is not signed by itself, [`Error::Usage`] if the
    /// folder already trusts another root, [`Error::Disk`] if it cannot be written.
    pub fn create(dir: &Path, root: &[u8]) -> Result<Self> {
        let parsed = parse_root(root)?;
        // The signed part alone: the same root with other signatures is the same beginning.
        let anchor = sha256_hex(parsed.signed_canonical());
        let folder = dir.join("floors");
        if folder.exists() || dir.join("root.json").exists() {
            let store = Self::open(dir)?;
            if store.record.anchor != anchor {
                return Err(Error::Usage {
                    what: dir.display().to_string(),
                    reason: "another root is trusted here already; give an empty folder".into(),
                });
            }
            return Ok(store);
        }
        disk::make_folder(dir)?;
        // The folder of the record is made last: without it a crash here leaves nothing that looks like a store.
        let beginning = dir.join("floors.new");
        disk::make_folder(&beginning)?;
        let mut record = Record::new(anchor, Floors::new(parsed.signed().version));
        record.files.insert("root".into(), sha256_hex(root));
        record.write(&beginning)?;
        disk::write_durable(&dir.join("root.json.new"), root)?;
        disk::rename_durable(&beginning, &folder)?;
        Self::open(dir)
    }

    /// Opens a store and checks every file against the record.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no store, [`Error::Damaged`] if a file or both copies of the floors cannot
    /// be relied on, [`Error::Disk`] if they cannot be read.
    pub fn open(dir: &Path) -> Result<Self> {
        crypto::install();
        let folder = dir.join("floors");
        if !folder.exists() && !dir.join("root.json").exists() {
            return Err(Error::NotFound {
                what: format!("trust store {}", dir.display()),
                reason: "begin one with a trusted root.json".into(),
            });
        }
        let record = Record::read(&folder)?;
        for (role, expected) in &record.files {
            finish_rename(&file(dir, role), expected)?;
        }
        let path = file(dir, "root");
        let root = disk::read_capped(&path, CAP)?;
        let parsed = parse_root(&root).map_err(|e| Error::damaged(&path, e))?;
        if parsed.signed().version != record.floors.root {
            return Err(Error::damaged(&path, format!("version {} is recorded", record.floors.root)));
        }
        Ok(Self { dir: dir.to_owned(), record, root })
    }

    /// Drops cached files that are damaged, so that they are fetched again. The floors and the trusted root stay;
    /// if those are damaged, nothing is done and the error says so. Returns the names of the dropped files.
    ///
    /// # Errors
    /// As [`TrustStore::open`], for damage in the root or the floors.
    pub fn repair(dir: &Path) -> Result<Vec<String>> {
        let folder = dir.join("floors");
        let mut record = Record::read(&folder)?;
        let damaged: Vec<String> = record
            .files
            .iter()
            .filter(|(role, expected)| {
                role.as_str() != "root" && finish_rename(&file(dir, role), expected).is_err()
            })
            .map(|(role, _)| role.clone())
            .collect();
        for role in &damaged {
            record.files.remove(role);
        }
        if !damaged.is_empty() {
            record.write(&folder)?;
        }
        Self::open(dir).map(|_| damaged)
    }

    /// The folder of this store.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The version of the trusted root.
    pub fn root_version(&self) -> u64 {
        self.record.floors.root
    }

    pub(crate) fn root(&self) -> &[u8] {
        &self.root
    }

    pub(crate) fn floors(&self) -> &Floors {
        &self.record.floors
    }

    /// The cached file of `role`, if the record knows one.
    pub(crate) fn cached(&self, role: &str) -> Result<Option<Vec<u8>>> {
        let Some(expected) = self.record.files.get(role) else { return Ok(None) };
        let path = file(&self.dir, role);
        let bytes = disk::read_if_there(&path, CAP)?.ok_or_else(|| Error::damaged(&path, "it is missing"))?;
        if sha256_hex(&bytes) != *expected {
            return Err(Error::damaged(&path, "its hash is not the recorded one"));
        }
        Ok(Some(bytes))
    }

    /// Makes `change` and `floors` durable as one step.
    pub(crate) fn commit(&mut self, change: Change<'_>, floors: Floors) -> Result<()> {
        let mut record = self.record.clone();
        record.floors = floors;
        for role in &change.forget {
            record.files.remove(*role);
        }
        if let Some((role, bytes)) = change.put {
            disk::write_durable(&disk::beside(&file(&self.dir, role), ".new"), bytes)?;
            record.files.insert(role.to_owned(), sha256_hex(bytes));
        }
        record.write(&self.dir.join("floors"))?;
        self.record = record;
        if let Some((role, bytes)) = change.put {
            let path = file(&self.dir, role);
            disk::rename_durable(&disk::beside(&path, ".new"), &path)?;
            if role == "root" {
                self.root = bytes.to_vec();
            }
        }
        for role in change.forget {
            disk::remove_durable(&file(&self.dir, role))?;
        }
        Ok(())
    }
}

/// Where `role` is kept. Odd names are percent-encoded, so no name leaves the folder.
fn file(dir: &Path, role: &str) -> PathBuf {
    dir.join(format!("{}.json", quote(role)))
}

/// Checks `path` against the record and finishes a rename that was cut short.
fn finish_rename(path: &Path, expected: &str) -> Result<()> {
    let current = disk::read_if_there(path, CAP)?;
    if current.as_deref().is_some_and(|bytes| sha256_hex(bytes) == expected) {
        return Ok(());
    }
    let new = disk::beside(path, ".new");
    if disk::read_if_there(&new, CAP)?.is_some_and(|bytes| sha256_hex(&bytes) == expected) {
        return disk::rename_durable(&new, path);
    }
    let reason = if current.is_some() { "its hash is not the recorded one" } else { "it is missing" };
    Err(Error::damaged(path, reason))
}

/// A root that is signed by itself.
fn parse_root(bytes: &[u8]) -> Result<Metadata<Root>> {
    crypto::install();
    let verdict = |e| Error::verdict("root", jiff::Timestamp::UNIX_EPOCH, e);
    TrustedMetadataSet::from_root(bytes).map_err(verdict)?;
    Metadata::from_slice(bytes).map_err(verdict)
}
