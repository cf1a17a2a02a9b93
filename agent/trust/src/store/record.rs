//! The record: floors and the hash of each cached file, kept twice with a checksum.
//!
//! A copy is `SHA-256 in hexadecimal, newline, JSON`. Copy `a` is written before copy `b`; each by an atomic
//! rename, so a power cut leaves `a` at most one generation ahead. One damaged copy is healed from the other;
//! two damaged or missing copies are a refusal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::floors::Floors;
use crate::crypto::sha256_hex;
use crate::disk;
use crate::error::{Error, Result};

const FORMAT: u32 = 1;
const CAP: u64 = 8 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    format: u32,
    /// Counts commits.
    generation: u64,
    /// SHA-256 of the signed part of the root that the store was created with.
    pub anchor: String,
    pub floors: Floors,
    /// Role name to the SHA-256 of its file.
    pub files: BTreeMap<String, String>,
}

impl Record {
    pub fn new(anchor: String, floors: Floors) -> Self {
        Self { format: FORMAT, generation: 0, anchor, floors, files: BTreeMap::new() }
    }

    /// Reads the newest whole copy and heals the other.
    pub fn read(folder: &Path) -> Result<Self> {
        let [a, b] = copies(folder);
        let (newest, other) = match (read_copy(&a), read_copy(&b)) {
            (Ok(first), Ok(second)) if first == second => return Ok(first),
            (Ok(first), Ok(second)) if first.generation > second.generation => (first, b),
            (Ok(_), Ok(second)) => (second, a),
            (Ok(first), Err(reason)) => {
                tracing::warn!(file = %b.display(), %reason, "rollback floors: one copy healed from the other");
                (first, b)
            }
            (Err(reason), Ok(second)) => {
                tracing::warn!(file = %a.display(), %reason, "rollback floors: one copy healed from the other");
                (second, a)
            }
            (Err(first), Err(second)) => {
                return Err(Error::damaged(folder, format!("both copies of the floors: {first}; {second}")));
            }
        };
        disk::write_durable(&other, &newest.to_bytes()?)?;
        Ok(newest)
    }

    /// Writes both copies as the next generation. When this returns, the record counts.
    pub fn write(&mut self, folder: &Path) -> Result<()> {
        self.generation += 1;
        let bytes = self.to_bytes()?;
        for copy in copies(folder) {
            disk::write_durable(&copy, &bytes)?;
        }
        Ok(())
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(self).map_err(|e| Error::malformed("floors", e))?;
        let mut bytes = sha256_hex(&json).into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }
}

fn copies(folder: &Path) -> [PathBuf; 2] {
    [folder.join("a"), folder.join("b")]
}

/// One copy, or why it cannot be believed.
fn read_copy(path: &Path) -> std::result::Result<Record, String> {
    let bytes = disk::read_capped(path, CAP).map_err(|e| match e {
        Error::Disk { source, .. } => source.to_string(),
        other => other.to_string(),
    })?;
    let end = bytes.iter().position(|b| *b == b'\n').ok_or("no checksum line")?;
    let (checksum, json) = (&bytes[..end], &bytes[end + 1..]);
    if checksum != sha256_hex(json).as_bytes() {
        return Err("checksum does not match".into());
    }
    let record: Record = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    if record.format != FORMAT {
        return Err(format!("format {} is not known; a newer version wrote it", record.format));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> (tempfile::TempDir, Record) {
        let dir = tempfile::tempdir().unwrap();
        let mut record = Record::new("anchor".into(), Floors::new(7));
        record.write(dir.path()).unwrap();
        (dir, record)
    }

    #[test]
    fn one_damaged_copy_is_healed_and_the_floor_stays() {
        for copy in ["a", "b"] {
            let (dir, record) = fresh();
            std::fs::write(dir.path().join(copy), b"garbage").unwrap();
            assert_eq!(Record::read(dir.path()).unwrap(), record);
            let healed = std::fs::read(dir.path().join(copy)).unwrap();
            assert_eq!(healed, record.to_bytes().unwrap());
        }
    }

    #[test]
    fn two_damaged_or_missing_copies_are_a_refusal() {
        let (dir, _) = fresh();
        std::fs::write(dir.path().join("a"), b"").unwrap();
        std::fs::remove_file(dir.path().join("b")).unwrap();
        assert!(matches!(Record::read(dir.path()), Err(Error::Damaged { .. })));
    }

    #[test]
    fn a_single_flipped_bit_anywhere_is_noticed() {
        let (dir, record) = fresh();
        let whole = record.to_bytes().unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(dir.path().join("a"), &flipped).unwrap();
            assert!(read_copy(&dir.path().join("a")).is_err(), "byte {at}");
        }
    }
}
