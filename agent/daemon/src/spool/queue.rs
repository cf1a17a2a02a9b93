//! The queue itself: an index in memory over segments on disk.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use dunlin_protocol::{
    Channel, MessageError,
    message::{RecordId, SpoolReport},
};
use tokio::sync::Notify;

use super::{
    Config,
    compact::{Item, compact},
    frame::Frame,
    segment::{self, Writer},
};

/// Records at the head that may have been sent: at least the link's window, with room for acknowledgements that a
/// power cut forgot.
const PROTECTED: usize = 128;

/// A segment larger than this, in bytes, is not kept when nothing in it is pending.
const IDLE_SEGMENT: u64 = 16 << 10;

/// Acknowledgements between two flushes.
const FLUSH_EVERY: u32 = 64;

/// Why a record was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk refused.
    #[error("the spool {path} cannot be written; free space on its disk", path = path.display())]
    Disk {
        /// The spool's folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The message has no bytes.
    #[error("the record cannot be encoded")]
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

#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u64,
    offset: u64,
    length: u64,
    record: RecordId,
}

#[derive(Debug)]
struct Inner {
    writer: Writer,
    pending: BTreeMap<u64, Place>,
    /// Bytes of each closed segment.
    closed: BTreeMap<u64, u64>,
    next_position: u64,
    next_sequence: u64,
    dropped: u64,
    unflushed: u32,
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
    /// Opens the spool in `folder`. `boot` identifies this start of the agent.
    pub fn open(folder: &Path, config: &Config, boot: u64) -> Result<Self, SpoolError> {
        let disk = |source| SpoolError::Disk { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(disk)?;
        let inner = recover(folder).map_err(disk)?;
        let (folder, limit) = (folder.to_owned(), config.limit_bytes);
        Ok(Self { folder, limit, boot, inner: Mutex::new(inner), appended: Notify::new() })
    }

    /// Accepts a record: gives it its identity, and returns once it is on disk.
    pub fn append(
        &self,
        channel: Channel,
        encode: impl FnOnce(RecordId) -> Result<Vec<u8>, MessageError>,
    ) -> Result<RecordId, SpoolError> {
        let mut inner = self.lock();
        let record = RecordId { boot: self.boot, sequence: inner.next_sequence };
        let frame = Frame::Record { channel, record, bytes: encode(record)? };
        let written = inner.append(&self.folder, self.segment_bytes(), &frame, true);
        let (segment, offset, length) = written.map_err(|source| self.disk(source))?;
        inner.next_sequence += 1;
        let position = inner.next_position;
        inner.next_position += 1;
        inner.pending.insert(position, Place { segment, offset, length, record });
        if inner.bytes() > self.limit {
            self.make_room(&mut inner).map_err(|source| self.disk(source))?;
        }
        drop(inner);
        self.appended.notify_one();
        Ok(record)
    }

    /// Up to `count` pending records behind `after`, oldest first. A record that the disk gives back damaged is
    /// dropped and counted.
    pub fn pending(&self, after: Option<u64>, count: usize) -> Vec<Entry> {
        let mut inner = self.lock();
        let from = after.map_or(0, |position| position + 1);
        let places: Vec<(u64, Place)> =
            inner.pending.range(from..).take(count).map(|(p, e)| (*p, *e)).collect();
        let mut entries = Vec::with_capacity(places.len());
        for (position, place) in places {
            match segment::read_at(&segment::path(&self.folder, place.segment), place.offset, place.length) {
                Ok(Frame::Record { channel, record, bytes }) if record == place.record => {
                    entries.push(Entry { position, channel, record, bytes });
                }
                other => {
                    let reason = other.err().map(|error| error.to_string()).unwrap_or_default();
                    tracing::warn!(record = ?place.record, reason, "a spooled record is damaged and dropped");
                    inner.pending.remove(&position);
                    inner.dropped += 1;
                }
            }
        }
        entries
    }

    /// Forgets a record that the broker acknowledged.
    pub fn acknowledge(&self, position: u64) {
        self.forget(position, false);
    }

    /// Forgets a record that can never be delivered; it is counted.
    pub fn discard(&self, position: u64) {
        self.forget(position, true);
    }

    /// What is kept.
    pub fn report(&self) -> SpoolReport {
        let inner = self.lock();
        SpoolReport {
            records: inner.pending.len() as u64,
            bytes: inner.bytes(),
            limit_bytes: self.limit,
            dropped: inner.dropped,
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

    fn forget(&self, position: u64, dropped: bool) {
        let mut inner = self.lock();
        let Some(place) = inner.pending.remove(&position) else { return };
        inner.unflushed += 1;
        let flush = inner.unflushed >= FLUSH_EVERY;
        if flush {
            inner.unflushed = 0;
        }
        let mut written =
            inner.append(&self.folder, self.segment_bytes(), &Frame::Acknowledged(place.record), flush);
        if dropped {
            inner.dropped += 1;
            let total = Frame::Dropped(inner.dropped);
            written = written.and(inner.append(&self.folder, self.segment_bytes(), &total, true));
        }
        // A forgotten acknowledgement costs a repetition that the server ignores.
        let tidied = written.and_then(|_| inner.remove_finished(&self.folder));
        if let Err(error) = tidied {
            tracing::warn!(%error, "an acknowledgement could not be written");
        }
    }

    fn make_room(&self, inner: &mut Inner) -> io::Result<()> {
        let mut items = Vec::with_capacity(inner.pending.len());
        for (position, place) in &inner.pending {
            let path = segment::path(&self.folder, place.segment);
            if let Ok(Frame::Record { channel, record, bytes }) =
                segment::read_at(&path, place.offset, place.length)
            {
                items.push(Item { position: *position, channel, record, bytes });
            }
        }
        let lost = (inner.pending.len() - items.len()) as u64;
        let (kept, gone) = compact(items, PROTECTED, self.limit);
        inner.dropped += gone + lost;
        tracing::warn!(gone, kept = kept.len(), "the spool was full; older windows were merged");
        inner.replace(&self.folder, kept)
    }

    fn segment_bytes(&self) -> u64 {
        (self.limit / 32).clamp(16 << 10, 1 << 20)
    }

    fn disk(&self, source: io::Error) -> SpoolError {
        SpoolError::Disk { path: self.folder.clone(), source }
    }

    /// A panic elsewhere cannot leave the index half-changed: every change is one step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn bytes(&self) -> u64 {
        self.closed.values().sum::<u64>() + self.writer.length
    }

    fn append(
        &mut self,
        folder: &Path,
        segment_bytes: u64,
        frame: &Frame,
        flush: bool,
    ) -> io::Result<(u64, u64, u64)> {
        if self.writer.length >= segment_bytes {
            self.rotate(folder)?;
        }
        let (offset, length) = self.writer.append(frame, flush)?;
        Ok((self.writer.number, offset, length))
    }

    fn rotate(&mut self, folder: &Path) -> io::Result<()> {
        let next = Writer::open(folder, self.writer.number + 1)?;
        let full = std::mem::replace(&mut self.writer, next);
        self.closed.insert(full.number, full.length);
        Ok(())
    }

    /// Removes segments from the front that hold nothing pending, as long as a later one carries the totals.
    fn remove_finished(&mut self, folder: &Path) -> io::Result<()> {
        if self.pending.is_empty() && self.writer.length > IDLE_SEGMENT {
            self.rotate(folder)?;
        }
        let oldest = self.pending.values().next().map_or(self.writer.number, |place| place.segment);
        let finished: Vec<u64> = self.closed.range(..oldest).map(|(number, _)| *number).collect();
        if finished.is_empty() {
            return Ok(());
        }
        self.writer.append(&Frame::Dropped(self.dropped), true)?;
        for number in finished {
            fs::remove_file(segment::path(folder, number))?;
            self.closed.remove(&number);
        }
        Ok(())
    }

    /// Writes everything anew into one segment behind all others, which makes them void.
    fn replace(&mut self, folder: &Path, items: Vec<Item>) -> io::Result<()> {
        let number = self.writer.number + 1;
        let (mut bytes, mut pending) = (Vec::new(), BTreeMap::new());
        Frame::Replaces.write(&mut bytes);
        Frame::Dropped(self.dropped).write(&mut bytes);
        for Item { position, channel, record, bytes: message } in items {
            let offset = bytes.len() as u64;
            Frame::Record { channel, record, bytes: message }.write(&mut bytes);
            let length = bytes.len() as u64 - offset;
            pending.insert(position, Place { segment: number, offset, length, record });
        }
        crate::durable::write(&segment::path(folder, number), &bytes)?;
        let void: Vec<u64> = self.closed.keys().copied().chain([self.writer.number]).collect();
        self.writer = Writer::open(folder, number)?;
        self.pending = pending;
        self.closed.clear();
        for number in void {
            fs::remove_file(segment::path(folder, number))?;
        }
        Ok(())
    }
}

fn recover(folder: &Path) -> io::Result<Inner> {
    let numbers = segment::list(folder)?;
    let (mut order, mut acknowledged) = (Vec::new(), HashSet::new());
    let (mut closed, mut dropped) = (BTreeMap::new(), 0);
    for number in &numbers {
        let path = segment::path(folder, *number);
        let (frames, torn) = segment::recover(&path)?;
        if torn > 0 {
            tracing::warn!(segment = number, bytes = torn, "a torn tail was cut off the spool");
        }
        closed.insert(*number, fs::metadata(&path)?.len());
        for placed in frames {
            match placed.frame {
                Frame::Record { record, .. } => order.push(Place {
                    segment: *number,
                    offset: placed.offset,
                    length: placed.length,
                    record,
                }),
                Frame::Acknowledged(record) => {
                    acknowledged.insert(record);
                }
                Frame::Dropped(total) => dropped = dropped.max(total),
                Frame::Replaces => {
                    order.clear();
                    acknowledged.clear();
                    for (void, _) in closed.extract_if(..number, |_, _| true) {
                        fs::remove_file(segment::path(folder, void))?;
                    }
                }
            }
        }
    }
    let writer = Writer::open(folder, numbers.last().copied().unwrap_or(0))?;
    closed.remove(&writer.number);
    let live = order.into_iter().filter(|place| !acknowledged.contains(&place.record));
    let pending: BTreeMap<u64, Place> = (0..).zip(live).collect();
    let next_position = pending.keys().next_back().map_or(0, |last| last + 1);
    Ok(Inner { writer, pending, closed, next_position, next_sequence: 0, dropped, unflushed: 0 })
}

#[cfg(test)]
mod tests;
