//! The queue itself: what is accepted, what waits, and what is counted when it cannot be kept.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use dunlin_protocol::{
    Channel, MessageError,
    message::{MAX_BYTES, RecordId, SpoolReport},
};
use tokio::sync::Notify;

use super::{Config, log::Log, recover::recover, segment};

/// Why a record is dropped that has more bytes than a message may have.
pub const TOO_LARGE: &str = "a record was larger than a message may be";

/// Why a record is dropped that the disk refuses and that nobody holds back.
pub const REFUSED: &str = "the disk took no more";

/// Why records are merged or dropped to make room.
const FULL: &str = "the spool was full";

/// Why records are dropped that cannot be read back.
const DAMAGED: &str = "the disk gave records back damaged";

/// Why a record was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk refused; the record was not counted.
    #[error("the spool {path} cannot be written; free space on its disk", path = path.display())]
    Disk {
        /// The spool's folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The message has no bytes, or too many. It is counted as dropped: it can never be kept.
    #[error("the record cannot be encoded; it is dropped and counted")]
    Encode(#[from] MessageError),
}

/// A pending record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the queue; rises.
    pub position: u64,
    /// Where to.
    pub channel: Channel,
    /// Its identity.
    pub record: RecordId,
    /// The encoded message.
    pub bytes: Vec<u8>,
}

/// Records that were merged or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drops {
    /// How many since this was last asked.
    pub count: u64,
    /// How many since enrolment.
    pub total: u64,
    /// The latest reason, for people.
    pub why: &'static str,
}

#[derive(Debug)]
struct Inner {
    log: Log,
    next_sequence: u64,
    untold: Option<(u64, &'static str)>,
}

/// A durable queue of records.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    limit: u64,
    boot: u64,
    inner: Mutex<Inner>,
    appended: Notify,
}

impl Spool {
    /// Opens the spool in `folder`. `boot` identifies this start of the agent. A disk that refuses is no error: what
    /// can be read is pending, and each record is tried anew.
    pub fn open(folder: &Path, config: &Config, boot: u64) -> Self {
        let limit = config.limit_bytes;
        let (log, lost) = recover(folder, (limit / 32).clamp(16 << 10, 1 << 20));
        let mut inner = Inner { log, next_sequence: 0, untold: None };
        if lost > 0 {
            inner.log.dropped += lost;
            inner.note(lost, DAMAGED);
            inner.mend();
        }
        Self { folder: folder.to_owned(), limit, boot, inner: Mutex::new(inner), appended: Notify::new() }
    }

    /// Accepts a record: gives it its identity, and returns once it is on disk.
    pub fn append(
        &self,
        channel: Channel,
        encode: impl FnOnce(RecordId) -> Result<Vec<u8>, MessageError>,
    ) -> Result<RecordId, SpoolError> {
        let mut inner = self.lock();
        let record = RecordId { boot: self.boot, sequence: inner.next_sequence };
        let encoded = encode(record).and_then(|bytes| match bytes.len() {
            length if length > MAX_BYTES => Err(MessageError::TooLarge { kind: channel.as_str(), length }),
            _ => Ok(bytes),
        });
        let bytes = encoded.inspect_err(|_| {
            inner.count(1, TOO_LARGE);
            inner.make_room(self.limit);
        })?;
        let disk = |source| SpoolError::Disk { path: self.folder.clone(), source };
        inner.log.append(channel, record, bytes).map_err(disk)?;
        inner.next_sequence += 1;
        // From here on the record is accepted, whatever becomes of the room for others.
        inner.make_room(self.limit);
        drop(inner);
        self.appended.notify_one();
        Ok(record)
    }

    /// Up to `count` pending records behind `after`, oldest first. A record that the disk gives back damaged is
    /// dropped and counted; where the disk gives nothing at all for now, the list ends there.
    pub fn pending(&self, after: Option<u64>, count: usize) -> Vec<Entry> {
        let mut inner = self.lock();
        let from = after.map_or(0, |position| position + 1);
        let (mut entries, mut damaged) = (Vec::new(), Vec::new());
        for (position, place) in inner.log.pending.range(from..) {
            if entries.len() == count {
                break;
            }
            match inner.log.read(*position, place) {
                Ok(item) => entries.push(Entry {
                    position: item.position,
                    channel: item.channel,
                    record: item.record,
                    bytes: item.bytes,
                }),
                Err(error) if segment::is_damage(&error) => {
                    tracing::warn!(record = ?place.record, %error, "a spooled record is damaged and dropped");
                    damaged.push(*position);
                }
                Err(error) => {
                    tracing::warn!(%error, "spooled records cannot be read for now");
                    break;
                }
            }
        }
        if !damaged.is_empty() {
            for position in &damaged {
                inner.log.pending.remove(position);
            }
            inner.count(damaged.len() as u64, DAMAGED);
            inner.mend();
        }
        entries
    }

    /// Forgets a record that the broker acknowledged.
    pub fn acknowledge(&self, position: u64) {
        let mut inner = self.lock();
        inner.log.forget(position);
        inner.make_room(self.limit);
    }

    /// Forgets a record that can never be delivered; it is counted.
    pub fn discard(&self, position: u64, why: &'static str) {
        let mut inner = self.lock();
        if inner.log.pending.contains_key(&position) {
            inner.count(1, why);
            inner.log.forget(position);
            inner.make_room(self.limit);
        }
    }

    /// Counts a record that could not be accepted and is not offered again.
    pub fn lose(&self, why: &'static str) {
        let mut inner = self.lock();
        inner.count(1, why);
        inner.make_room(self.limit);
    }

    /// What was merged or dropped since this was last asked; `None` when that is nothing.
    pub fn take_drops(&self) -> Option<Drops> {
        let mut inner = self.lock();
        let total = inner.log.dropped;
        inner.untold.take().map(|(count, why)| Drops { count, total, why })
    }

    /// Gives drops back that could not be told.
    pub fn put_back(&self, drops: Drops) {
        let mut inner = self.lock();
        let why = inner.untold.map_or(drops.why, |(_, why)| why);
        inner.note(drops.count, why);
    }

    /// What is kept.
    pub fn report(&self) -> SpoolReport {
        let inner = self.lock();
        SpoolReport {
            records: inner.log.pending.len() as u64,
            bytes: inner.log.bytes(),
            limit_bytes: self.limit,
            dropped: inner.log.dropped,
        }
    }

    /// How many records were accepted since the start; their sequences count from 0 without a gap.
    pub fn accepted(&self) -> u64 {
        self.lock().next_sequence
    }

    /// Resolves after a record was appended.
    pub async fn appended(&self) {
        self.appended.notified().await;
    }

    /// The boot that new records carry.
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// A panic elsewhere cannot leave the index half-changed: every change is one step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn count(&mut self, records: u64, why: &'static str) {
        self.log.count_dropped(records);
        self.note(records, why);
    }

    fn note(&mut self, records: u64, why: &'static str) {
        if records > 0 {
            let before = self.untold.map_or(0, |(count, _)| count);
            self.untold = Some((before + records, why));
        }
    }

    /// Keeps within the limit by merging and dropping. On a disk without the space to merge, the oldest go.
    fn make_room(&mut self, limit: u64) {
        if self.log.bytes() <= limit {
            return;
        }
        let gone = self.log.rewrite(limit).unwrap_or_else(|error| {
            tracing::warn!(%error, "the spool is full and cannot be made smaller by merging");
            self.log.drop_oldest(limit.saturating_add(self.log.segment_bytes))
        });
        if gone > 0 {
            tracing::warn!(gone, kept = self.log.pending.len(), "the spool was full; records merged or went");
        }
        self.note(gone, FULL);
    }

    /// Writes the spool anew, so that damage which was counted is not found and counted again.
    fn mend(&mut self) {
        match self.log.rewrite(u64::MAX) {
            Ok(damaged) => self.note(damaged, DAMAGED),
            Err(error) => tracing::warn!(%error, "a damaged spool could not be written anew"),
        }
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
