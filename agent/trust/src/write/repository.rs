//! The folder of metadata that a server publishes, and the only keys it holds: timestamp and snapshot.
//!
//! ```text
//! DIR/N.root.json  DIR/N.targets.json  DIR/N.ROLE.json  DIR/N.snapshot.json  DIR/timestamp.json
//! ```
//! Serve DIR as `/tuf/metadata/`. Target files are stored by the server where it likes and served below
//! `/tuf/targets/` under [`target_path`](crate::target_path)`(name, sha256, true)`.
//!
//! Versioned files are written first and never referred to before `timestamp.json` is replaced, so a client that
//! reads while we publish sees the old state or the new. The folder is the state: what `timestamp.json` leads to
//! counts, files beyond it are left-overs of an interrupted step. Calls block on the disk; one process writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp as Time;

use super::online::{Meta, Snapshot, Timestamp, sign_snapshot, sign_timestamp};
use super::signed::verify_bytes;
use super::{Root, Targets, TopRole};
use crate::disk;
use crate::error::{Error, Result};
use crate::key::SigningKey;
use crate::names::quote;

/// No metadata file is larger than what clients accept.
const CAP: u64 = 5_000_000;

/// The keys that a server signs with on its own.
#[derive(Debug)]
pub struct OnlineKeys {
    /// Signs that the repository is up to date.
    pub timestamp: SigningKey,
    /// Signs which versions belong together.
    pub snapshot: SigningKey,
}

/// How long the server's own signatures are valid. They are renewed at half time.
#[derive(Clone, Copy, Debug)]
pub struct Periods {
    /// Of `timestamp.json`: how long a mirror could hide an update from a device.
    pub timestamp: Duration,
    /// Of `snapshot.json`.
    pub snapshot: Duration,
}

impl Default for Periods {
    fn default() -> Self {
        Self { timestamp: Duration::from_secs(2 * 86_400), snapshot: Duration::from_secs(14 * 86_400) }
    }
}

/// A published repository.
#[derive(Debug)]
pub struct Repository {
    dir: PathBuf,
    keys: OnlineKeys,
    periods: Periods,
    root: Root,
    targets: Targets,
    delegated: BTreeMap<String, Targets>,
    snapshot: Snapshot,
    timestamp: Timestamp,
}

impl Repository {
    /// Publishes version 1 of everything in a new folder.
    ///
    /// # Errors
    /// [`Error::Usage`] if the folder holds a repository already or the root does not fit (online keys, consistent
    /// snapshots); otherwise as [`Repository::accept_targets`].
    pub fn create(
        dir: &Path,
        root_bytes: &[u8],
        targets: &[u8],
        keys: OnlineKeys,
        periods: Periods,
        now: Time,
    ) -> Result<Self> {
        if dir.join("timestamp.json").exists() {
            return Err(usage(dir, "a repository is here already; open it"));
        }
        let root = Root::from_bytes(root_bytes)?;
        root.check()?;
        check_online(&root, &keys)?;
        let list = check_targets(&root, targets, now)?;
        disk::make_folder(dir)?;
        write(dir, root.body().version(), "root", root_bytes)?;
        write(dir, list.body().version(), "targets", targets)?;
        let metas = BTreeMap::from([("targets.json".to_owned(), Meta::of(list.body().version(), targets))]);
        let (snapshot, timestamp) = publish(dir, &keys, periods, metas, (1, 1), now)?;
        let delegated = BTreeMap::new();
        Ok(Self { dir: dir.to_owned(), keys, periods, root, targets: list, delegated, snapshot, timestamp })
    }

    /// Opens a repository.
    ///
    /// # Errors
    /// [`Error::Disk`] or [`Error::Malformed`] if a file that counts is missing or unreadable, [`Error::Usage`] if
    /// the keys are not those of its root.
    pub fn open(dir: &Path, keys: OnlineKeys, periods: Periods) -> Result<Self> {
        let root = newest_root(dir)?;
        check_online(&root, &keys)?;
        let timestamp = Timestamp::from_bytes(&disk::read_capped(&dir.join("timestamp.json"), CAP)?)?;
        let version = timestamp
            .body()
            .meta()
            .get("snapshot.json")
            .map(Meta::version)
            .ok_or_else(|| Error::malformed("timestamp", "it names no snapshot.json"))?;
        let snapshot = Snapshot::from_bytes(&read(dir, version, "snapshot")?)?;
        let mut lists = BTreeMap::new();
        for (file, meta) in snapshot.body().meta() {
            let role = file.strip_suffix(".json").unwrap_or(file);
            lists.insert(role.to_owned(), Targets::from_bytes(&read(dir, meta.version(), role)?)?);
        }
        let targets = lists
            .remove("targets")
            .ok_or_else(|| Error::malformed("snapshot", "it does not name targets.json"))?;
        Ok(Self { dir: dir.to_owned(), keys, periods, root, targets, delegated: lists, snapshot, timestamp })
    }

    /// The folder to serve.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The newest root.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The newest top-level targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The newest targets of a delegated role, if any were published.
    pub fn delegated(&self, role: &str) -> Option<&Targets> {
        self.delegated.get(role)
    }

    /// When the first of the server's own signatures expires.
    pub fn online_expires(&self) -> Time {
        self.timestamp.body().expires().min(self.snapshot.body().expires())
    }

    /// Publishes the next root, signed elsewhere. It must give the online roles to the keys of this server; if the
    /// keys change, use [`Repository::rotate`].
    ///
    /// # Errors
    /// Whatever would make clients refuse it, before anything is written.
    pub fn accept_root(&mut self, bytes: &[u8], now: Time) -> Result<()> {
        let root = Root::from_bytes(bytes)?;
        root.check_follows(&self.root)?;
        check_online(&root, &self.keys)?;
        check_time("root", root.body().expires(), now)?;
        write(&self.dir, root.body().version(), "root", bytes)?;
        self.root = root;
        let metas = self.snapshot.body().meta().clone();
        self.publish(metas, now)
    }

    /// Publishes the next root together with new online keys.
    ///
    /// # Errors
    /// As [`Repository::accept_root`]; then the old keys stay.
    pub fn rotate(&mut self, root: &[u8], keys: OnlineKeys, now: Time) -> Result<()> {
        let old = std::mem::replace(&mut self.keys, keys);
        self.accept_root(root, now).inspect_err(|_| self.keys = old)
    }

    /// Publishes new top-level targets, signed elsewhere by the owner.
    ///
    /// # Errors
    /// [`Error::Signature`] if too few of the owner's keys signed, [`Error::Rollback`] if the version is not higher
    /// than the published one, [`Error::Expired`], [`Error::Malformed`], [`Error::TooLarge`].
    pub fn accept_targets(&mut self, bytes: &[u8], now: Time) -> Result<()> {
        let list = check_targets(&self.root, bytes, now)?;
        check_newer("targets", self.targets.body().version(), list.body().version())?;
        self.accept("targets", &list, bytes, now)?;
        self.targets = list;
        Ok(())
    }

    /// Publishes new targets of a delegated role, signed by the keys that the owner gave the role to in signed
    /// metadata.
    ///
    /// # Errors
    /// [`Error::Usage`] if nobody delegated to the role, otherwise as [`Repository::accept_targets`].
    pub fn accept_delegated(&mut self, role: &str, bytes: &[u8], now: Time) -> Result<()> {
        let (keys, ids, threshold) = std::iter::once(&self.targets)
            .chain(self.delegated.values())
            .find_map(|list| list.body().authority(role))
            .ok_or_else(|| Error::Usage {
                what: format!("role {role:?}"),
                reason: "no published targets delegate to it; let the owner sign a delegation first".into(),
            })?;
        cap(role, bytes)?;
        verify_bytes::<sigstore_tuf::Targets>(bytes, role, &keys, &ids, threshold)?;
        let list = Targets::from_bytes(bytes)?;
        check_time(role, list.body().expires(), now)?;
        let current = self.delegated.get(role).map_or(0, |l| l.body().version());
        check_newer(role, current, list.body().version())?;
        self.accept(role, &list, bytes, now)?;
        self.delegated.insert(role.to_owned(), list);
        Ok(())
    }

    /// Renews the server's own signatures when half of their time is over. Says whether it did. Call it at start
    /// and every hour.
    ///
    /// # Errors
    /// [`Error::Disk`] if it cannot be written.
    pub fn refresh_online_roles(&mut self, now: Time) -> Result<bool> {
        let due = |expires: Time, period: Duration| expires.duration_since(now) < half(period);
        if due(self.snapshot.body().expires(), self.periods.snapshot) {
            let metas = self.snapshot.body().meta().clone();
            self.publish(metas, now)?;
            return Ok(true);
        }
        if due(self.timestamp.body().expires(), self.periods.timestamp) {
            let snapshot = self.timestamp.body().meta().get("snapshot.json").cloned();
            let snapshot =
                snapshot.ok_or_else(|| Error::malformed("timestamp", "it names no snapshot.json"))?;
            let version = self.timestamp.body().version() + 1;
            self.timestamp = put_timestamp(&self.dir, &self.keys, self.periods, snapshot, version, now)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn accept(&mut self, role: &str, list: &Targets, bytes: &[u8], now: Time) -> Result<()> {
        write(&self.dir, list.body().version(), role, bytes)?;
        let mut metas = self.snapshot.body().meta().clone();
        metas.insert(format!("{role}.json"), Meta::of(list.body().version(), bytes));
        self.publish(metas, now)
    }

    fn publish(&mut self, metas: BTreeMap<String, Meta>, now: Time) -> Result<()> {
        let versions = (self.snapshot.body().version() + 1, self.timestamp.body().version() + 1);
        (self.snapshot, self.timestamp) = publish(&self.dir, &self.keys, self.periods, metas, versions, now)?;
        Ok(())
    }
}

/// Writes the snapshot, then the timestamp that makes it count.
fn publish(
    dir: &Path,
    keys: &OnlineKeys,
    periods: Periods,
    metas: BTreeMap<String, Meta>,
    (snapshot, timestamp): (u64, u64),
    now: Time,
) -> Result<(Snapshot, Timestamp)> {
    let signed = sign_snapshot(snapshot, after(now, periods.snapshot), metas, &[&keys.snapshot])?;
    let bytes = signed.to_bytes()?;
    write(dir, snapshot, "snapshot", &bytes)?;
    let timestamp = put_timestamp(dir, keys, periods, Meta::of(snapshot, &bytes), timestamp, now)?;
    Ok((signed, timestamp))
}

fn put_timestamp(
    dir: &Path,
    keys: &OnlineKeys,
    periods: Periods,
    snapshot: Meta,
    version: u64,
    now: Time,
) -> Result<Timestamp> {
    let expires = after(now, periods.timestamp);
    let signed = sign_timestamp(version, now, expires, snapshot, &[&keys.timestamp])?;
    disk::write_durable(&dir.join("timestamp.json"), &signed.to_bytes()?)?;
    Ok(signed)
}

/// The highest version in the unbroken chain from the lowest root that is there.
fn newest_root(dir: &Path) -> Result<Root> {
    let folder = std::fs::read_dir(dir).map_err(|e| Error::disk("read", dir, e))?;
    let newest = folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".root.json")?.parse::<u64>().ok())
        .max()
        .ok_or_else(|| usage(dir, "no repository is here; create one"))?;
    let root = Root::from_bytes(&read(dir, newest, "root")?)?;
    root.check()?;
    Ok(root)
}

fn check_targets(root: &Root, bytes: &[u8], now: Time) -> Result<Targets> {
    cap("targets", bytes)?;
    let (keys, ids, threshold) = root.body().authority(TopRole::Targets)?;
    verify_bytes::<sigstore_tuf::Targets>(bytes, "targets", &keys, &ids, threshold)?;
    let list = Targets::from_bytes(bytes)?;
    check_time("targets", list.body().expires(), now)?;
    Ok(list)
}

/// The root must be one that this server can publish under.
fn check_online(root: &Root, keys: &OnlineKeys) -> Result<()> {
    if !root.body().consistent_snapshot() {
        return Err(Error::Usage {
            what: "root".into(),
            reason: "consistent_snapshot is off; without it a client could read a mix of versions".into(),
        });
    }
    for (role, key) in [(TopRole::Timestamp, &keys.timestamp), (TopRole::Snapshot, &keys.snapshot)] {
        let (allowed, threshold) = root.body().role(role)?;
        if threshold != 1 || !allowed.contains(key.public()) {
            return Err(Error::Usage {
                what: format!("root version {}", root.body().version()),
                reason: format!(
                    "role {} must be signed by key {} alone, which this server holds",
                    role.name(),
                    key.public().id()
                ),
            });
        }
    }
    Ok(())
}

fn check_newer(role: &str, trusted: u64, offered: u64) -> Result<()> {
    if offered <= trusted {
        return Err(Error::Rollback { role: role.to_owned(), trusted, offered });
    }
    Ok(())
}

fn check_time(role: &str, expires: Time, now: Time) -> Result<()> {
    if expires <= now {
        return Err(Error::Expired { role: role.to_owned(), expires, now });
    }
    Ok(())
}

fn cap(role: &str, bytes: &[u8]) -> Result<()> {
    if bytes.len() as u64 > CAP {
        return Err(Error::TooLarge { what: format!("metadata of role {role:?}"), limit: CAP });
    }
    Ok(())
}

fn path(dir: &Path, version: u64, role: &str) -> PathBuf {
    dir.join(format!("{version}.{}.json", quote(role)))
}

fn write(dir: &Path, version: u64, role: &str, bytes: &[u8]) -> Result<()> {
    disk::write_durable(&path(dir, version, role), bytes)
}

fn read(dir: &Path, version: u64, role: &str) -> Result<Vec<u8>> {
    disk::read_capped(&path(dir, version, role), CAP)
}

/// `now` and `period`, or the end of time.
fn after(now: Time, period: Duration) -> Time {
    now.checked_add(period).unwrap_or(Time::MAX)
}

fn half(period: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(period / 2).unwrap_or(jiff::SignedDuration::MAX)
}

fn usage(dir: &Path, reason: &str) -> Error {
    Error::Usage { what: dir.display().to_string(), reason: reason.into() }
}
