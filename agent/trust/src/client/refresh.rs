//! The client workflow, section 5 of the TUF specification, numbered as there.

use jiff::Timestamp;
use sigstore_tuf::{
    Error as Core, Metadata, Role, Root, Snapshot, Timestamp as TimestampRole, TrustedMetadataSet,
};

use super::Client;
use crate::clock::{self, SAVE_STEP};
use crate::error::{Error, Result};
use crate::names::quote;
use crate::store::Change;
use crate::store::floors::{Floors, SnapshotFloor, TimestampFloor, signers};
use crate::write::ISSUED;

/// Judges cached files: an expired one still counts against rollback, so no time is late for it.
const NEVER_LATE: Timestamp = Timestamp::MIN;

impl Client {
    /// 5.2 to 5.6: all four top-level roles, judged at `now`.
    pub(super) async fn refresh_roles(&mut self, now: Timestamp) -> Result<TrustedMetadataSet> {
        let mut set =
            TrustedMetadataSet::from_root(self.store.root()).map_err(|e| Error::verdict("root", now, e))?;
        self.update_root(&mut set, now).await?;
        self.seed_from_cache(&mut set, now)?;
        self.update_timestamp(&mut set, now).await?;
        self.update_snapshot(&mut set, now).await?;
        self.update_targets(&mut set, now).await?;
        self.raise_time(&set, now)?;
        Ok(set)
    }

    /// 5.3: follow the chain of roots, one version at a time.
    async fn update_root(&mut self, set: &mut TrustedMetadataSet, now: Timestamp) -> Result<()> {
        for _ in 0..self.config.root_versions {
            // 5.3.2, 5.3.3: version N+1, at most so many bytes; none means that N is the newest.
            let name = format!("{}.root.json", set.root().version.saturating_add(1));
            let Some(bytes) = self.transport.metadata(&name, self.config.root_bytes).await? else {
                // 5.3.10: only the newest root must not be expired.
                return set.check_root_expired(now).map_err(|e| Error::verdict("root", now, e));
            };
            // 5.3.4, 5.3.5: signed by the old and the new keys, exactly one version on.
            set.update_root(&bytes).map_err(|e| Error::verdict("root", now, e))?;
            // 5.3.8 and 5.3.11: durable; floors go with the keys that set them.
            let (floors, forget) = self.store.floors().after_root(set.root());
            for role in &forget {
                tracing::info!(role, root = set.root().version, "keys rotated: rollback floor begins anew");
            }
            self.store.commit(Change { put: Some(("root", &bytes)), forget }, floors)?;
        }
        Err(Error::TooLarge { what: "chain of root versions".into(), limit: self.config.root_versions })
    }

    /// Takes what was accepted before as the state to compare with. Cached bytes are those of the record, so a
    /// file that no longer fits is out of date (rotated keys, a newer pin), not damaged.
    fn seed_from_cache(&self, set: &mut TrustedMetadataSet, now: Timestamp) -> Result<()> {
        if let Some(bytes) = self.store.cached("timestamp")? {
            stale("timestamp", set.update_timestamp(&bytes, NEVER_LATE));
        }
        if let Some(bytes) = self.store.cached("snapshot")?
            && set.timestamp().is_some()
        {
            stale("snapshot", set.update_snapshot(&bytes, NEVER_LATE));
        }
        if let Some(bytes) = self.store.cached("targets")?
            && set.snapshot().is_some()
        {
            stale("targets", set.update_targets(&bytes, now).map(drop));
        }
        Ok(())
    }

    /// 5.4: the timestamp.
    async fn update_timestamp(&mut self, set: &mut TrustedMetadataSet, now: Timestamp) -> Result<()> {
        let bytes = self.fetch("timestamp", "timestamp.json", self.config.timestamp_bytes).await?;
        match set.update_timestamp(&bytes, now) {
            Ok(()) => {}
            // 5.4.3.1: nothing new; what we have must still be fresh.
            Err(Core::EqualVersion { .. }) => {
                return set.check_timestamp_expired(now).map_err(|e| Error::verdict("timestamp", now, e));
            }
            Err(e) => return Err(Error::verdict("timestamp", now, e)),
        }
        let metadata: Metadata<TimestampRole> = parse("timestamp", &bytes, now)?;
        let version = metadata.signed().version;
        let snapshot = pinned_snapshot(set)?;
        self.store.floors().check_timestamp(version, snapshot)?;
        let signers = signers(&metadata, set.root(), "timestamp");
        let floor = TimestampFloor { version, snapshot, signers };
        let floors = Floors { timestamp: Some(floor), ..self.store.floors().clone() };
        self.store.commit(Change { put: Some(("timestamp", &bytes)), ..Change::default() }, floors)
    }

    /// 5.5: the snapshot that the timestamp names.
    async fn update_snapshot(&mut self, set: &mut TrustedMetadataSet, now: Timestamp) -> Result<()> {
        let version = pinned_snapshot(set)?;
        if set.snapshot().is_some_and(|s| s.version == version && !s.is_expired(now)) {
            return Ok(());
        }
        let name = versioned(set.root(), version, "snapshot");
        let bytes = self.fetch("snapshot", &name, self.config.snapshot_bytes).await?;
        set.update_snapshot(&bytes, now).map_err(|e| Error::verdict("snapshot", now, e))?;
        let metadata: Metadata<Snapshot> = parse("snapshot", &bytes, now)?;
        self.store.floors().check_snapshot(metadata.signed())?;
        let metas = metadata.signed().meta.iter().map(|(name, meta)| (name.clone(), meta.version)).collect();
        let floor = SnapshotFloor { metas, signers: signers(&metadata, set.root(), "snapshot") };
        let floors = Floors { snapshot: Some(floor), ..self.store.floors().clone() };
        self.store.commit(Change { put: Some(("snapshot", &bytes)), ..Change::default() }, floors)
    }

    /// 5.6: the top-level targets that the snapshot names.
    async fn update_targets(&mut self, set: &mut TrustedMetadataSet, now: Timestamp) -> Result<()> {
        let version = pinned_targets(set, "targets")?;
        if set.targets_role("targets").is_some_and(|t| t.version == version && !t.is_expired(now)) {
            return Ok(());
        }
        let name = versioned(set.root(), version, "targets");
        let bytes = self.fetch("targets", &name, self.config.targets_bytes).await?;
        set.update_targets(&bytes, now).map_err(|e| Error::verdict("targets", now, e))?;
        self.keep("targets", &bytes)
    }

    /// 5.6.7: one delegated role, from the cache if the cached file is the one that the snapshot names.
    pub(super) async fn load_role(&mut self, role: &str, delegator: &str) -> Result<()> {
        let (mut set, now) = self.state()?.clone();
        let cached = self.store.cached(role)?;
        let usable =
            cached.is_some_and(|bytes| set.update_delegated_targets(&bytes, role, delegator, now).is_ok());
        if !usable {
            let name = versioned(set.root(), pinned_targets(&set, role)?, role);
            let bytes = self.fetch(role, &name, self.config.targets_bytes).await?;
            set.update_delegated_targets(&bytes, role, delegator, now)
                .map_err(|e| Error::verdict(role, now, e))?;
            self.keep(role, &bytes)?;
        }
        self.current = Some((set, now));
        Ok(())
    }

    /// After everything was accepted: time has passed this point.
    fn raise_time(&mut self, set: &TrustedMetadataSet, now: Timestamp) -> Result<()> {
        let signed = set.timestamp().and_then(|t| t.extra.get(ISSUED)?.as_str()?.parse::<Timestamp>().ok());
        let ceiling =
            set.targets_role("targets").map_or(set.root().expires, |t| t.expires.min(set.root().expires));
        let floors = self.store.floors();
        let time = clock::raise(floors.time, now, signed, ceiling);
        if time.duration_since(floors.time).unsigned_abs() < SAVE_STEP {
            return Ok(());
        }
        let floors = Floors { time, ..floors.clone() };
        self.store.commit(Change::default(), floors)
    }

    async fn fetch(&self, role: &str, name: &str, cap: u64) -> Result<Vec<u8>> {
        self.transport.metadata(name, cap).await?.ok_or_else(|| Error::NotFound {
            what: name.to_owned(),
            reason: format!("the server has no metadata for role {role:?} under this name"),
        })
    }

    fn keep(&mut self, role: &str, bytes: &[u8]) -> Result<()> {
        let floors = self.store.floors().clone();
        self.store.commit(Change { put: Some((role, bytes)), ..Change::default() }, floors)
    }
}

/// The file name of a version of a role (section 6.2); odd role names are percent-encoded.
fn versioned(root: &Root, version: u64, role: &str) -> String {
    let name = quote(role);
    if root.consistent_snapshot { format!("{version}.{name}.json") } else { format!("{name}.json") }
}

fn pinned_snapshot(set: &TrustedMetadataSet) -> Result<u64> {
    set.timestamp()
        .and_then(|t| t.snapshot_meta())
        .map(|meta| meta.version)
        .ok_or_else(|| Error::malformed("timestamp", "it names no snapshot.json"))
}

fn pinned_targets(set: &TrustedMetadataSet, role: &str) -> Result<u64> {
    set.snapshot()
        .and_then(|s| s.meta.get(&format!("{role}.json")))
        .map(|meta| meta.version)
        .ok_or_else(|| Error::malformed("snapshot", format!("it does not name {role}.json")))
}

fn parse<T: Role>(role: &str, bytes: &[u8], now: Timestamp) -> Result<Metadata<T>> {
    Metadata::from_slice(bytes).map_err(|e| Error::verdict(role, now, e))
}

fn stale(role: &str, seeded: sigstore_tuf::Result<()>) {
    if let Err(e) = seeded {
        tracing::debug!(role, reason = %e, "cached metadata is out of date");
    }
}
