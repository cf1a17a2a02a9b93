//! Segments on disk with an index of what is pending in them. Knows no limit: the queue decides when to make room.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use dunlin_protocol::{Channel, message::RecordId};

use super::{
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

/// Where a pending record stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Number of its segment.
    pub segment: u64,
    /// Offset in that.
    pub offset: u64,
    /// Bytes it takes.
    pub length: u64,
    /// Its identity.
    pub record: RecordId,
}

/// Segments and what is pending in them.
#[derive(Debug)]
pub struct Log {
    pub(super) folder: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) writer: Writer,
    /// By position, which rises.
    pub(super) pending: BTreeMap<u64, Place>,
    /// Bytes of each closed segment.
    pub(super) closed: BTreeMap<u64, u64>,
    pub(super) next_position: u64,
    /// Records merged or dropped since enrolment.
    pub(super) dropped: u64,
    /// The latest such count on disk, behind the segment that holds it.
    pub(super) told: Option<(u64, u64)>,
    pub(super) unflushed: u32,
}

impl Log {
    /// A log of nothing yet.
    pub(super) fn empty(folder: &Path, segment_bytes: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            segment_bytes,
            writer: Writer::new(folder, 0, 0),
            pending: BTreeMap::new(),
            closed: BTreeMap::new(),
            next_position: 0,
            dropped: 0,
            told: None,
            unflushed: 0,
        }
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.closed.values().sum::<u64>() + self.writer.length
    }

    /// Adds a record; it is on disk and pending when this returns.
    pub fn append(&mut self, channel: Channel, record: RecordId, bytes: Vec<u8>) -> io::Result<()> {
        let (segment, offset, length) = self.write(&Frame::Record { channel, record, bytes }, true)?;
        self.pending.insert(self.next_position, Place { segment, offset, length, record });
        self.next_position += 1;
        if self.told.map_or(0, |(_, dropped)| dropped) < self.dropped {
            self.tell_dropped();
        }
        Ok(())
    }

    /// Reads a pending record.
    pub fn read(&self, position: u64, place: &Place) -> io::Result<Item> {
        match segment::read_at(&segment::path(&self.folder, place.segment), place.offset, place.length)? {
            Frame::Record { channel, record, bytes } if record == place.record => {
                Ok(Item { position, channel, record, bytes })
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "another record stands in its place")),
        }
    }

    /// Forgets an acknowledged record. On a full disk that is not written down: it costs a repetition, which the
    /// server ignores, and frees what it can all the same.
    pub fn forget(&mut self, position: u64) {
        let Some(place) = self.pending.remove(&position) else { return };
        self.unflushed += 1;
        let flush = self.unflushed >= FLUSH_EVERY;
        if flush {
            self.unflushed = 0;
        }
        if let Err(error) = self.write(&Frame::Acknowledged(place.record), flush) {
            tracing::warn!(%error, "an acknowledgement could not be written");
        }
        self.remove_finished();
    }

    /// Counts records as dropped, on disk as soon as it takes that.
    pub fn count_dropped(&mut self, records: u64) {
        self.dropped += records;
        self.tell_dropped();
    }

    /// Writes all that is pending anew into one segment, as merged and dropped as `limit` asks for. Returns how many
    /// records were merged, dropped or found damaged. Where it fails, nothing changed.
    pub fn rewrite(&mut self, limit: u64) -> io::Result<u64> {
        let (mut items, mut damaged) = (Vec::with_capacity(self.pending.len()), 0);
        for (position, place) in &self.pending {
            match self.read(*position, place) {
                Ok(item) => items.push(item),
                Err(error) if segment::is_damage(&error) => damaged += 1,
                Err(error) => return Err(error),
            }
        }
        let (kept, gone) = compact(items, PROTECTED, limit);
        self.replace(kept, self.dropped + gone + damaged)?;
        Ok(gone + damaged)
    }

    /// Drops the oldest records by whole segments until at most `limit` bytes are there; needs no space. Returns how
    /// many were dropped.
    pub fn drop_oldest(&mut self, limit: u64) -> u64 {
        let mut gone = 0;
        while self.bytes() > limit
            && let Some(oldest) = self.pending.values().next().map(|place| place.segment)
        {
            let before = self.pending.len();
            self.pending.retain(|_, place| place.segment != oldest);
            if oldest == self.writer.number {
                self.rotate(1);
            }
            let dropped = (before - self.pending.len()) as u64;
            self.count_dropped(dropped);
            gone += dropped;
            self.remove_finished();
        }
        gone
    }

    fn write(&mut self, frame: &Frame, flush: bool) -> io::Result<(u64, u64, u64)> {
        if self.writer.length >= self.segment_bytes || self.writer.is_spoilt() {
            self.rotate(1);
        }
        let (offset, length) = self.writer.append(frame, flush)?;
        Ok((self.writer.number, offset, length))
    }

    /// Goes on `ahead` segments further; the file is made when it is needed.
    fn rotate(&mut self, ahead: u64) {
        let next = Writer::new(&self.folder, self.writer.number + ahead, 0);
        let full = std::mem::replace(&mut self.writer, next);
        self.closed.insert(full.number, full.length);
    }

    /// Writes the count of dropped records; false where the disk refuses.
    fn tell_dropped(&mut self) -> bool {
        match self.write(&Frame::Dropped(self.dropped), true) {
            Ok((segment, ..)) => {
                self.told = Some((segment, self.dropped));
                true
            }
            Err(error) => {
                tracing::warn!(%error, dropped = self.dropped, "the count of dropped records waits in memory");
                false
            }
        }
    }

    /// Removes segments from the front that hold nothing pending. The one with the latest count of dropped records
    /// goes last, when that is written elsewhere: on a full disk the others make the space for it.
    fn remove_finished(&mut self) {
        if self.pending.is_empty() && self.writer.length > IDLE_SEGMENT {
            self.rotate(1);
        }
        let oldest = self.pending.values().next().map_or(self.writer.number, |place| place.segment);
        let finished: Vec<u64> = self.closed.range(..oldest).map(|(number, _)| *number).collect();
        let counts = self.told.map(|(segment, _)| segment);
        finished.iter().filter(|number| Some(**number) != counts).for_each(|number| self.remove(*number));
        if let Some(last) = finished.into_iter().find(|number| Some(*number) == counts)
            && self.tell_dropped()
        {
            self.remove(last);
        }
    }

    /// Removes a segment; where the disk refuses, it is tried again later.
    pub(super) fn remove(&mut self, number: u64) {
        match fs::remove_file(segment::path(&self.folder, number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, segment = number, "a finished segment of the spool stays for now");
            }
            _ => {
                self.closed.remove(&number);
            }
        }
    }

    /// Writes everything anew into one segment behind all others, which makes them void.
    fn replace(&mut self, items: Vec<Item>, dropped: u64) -> io::Result<()> {
        let number = self.writer.number + 1;
        let (mut bytes, mut pending) = (Vec::new(), BTreeMap::new());
        Frame::Replaces.write(&mut bytes);
        Frame::Dropped(dropped).write(&mut bytes);
        for Item { position, channel, record, bytes: message } in items {
            let offset = bytes.len() as u64;
            Frame::Record { channel, record, bytes: message }.write(&mut bytes);
            let length = bytes.len() as u64 - offset;
            pending.insert(position, Place { segment: number, offset, length, record });
        }
        let path = segment::path(&self.folder, number);
        if let Err(error) = crate::durable::write(&path, &bytes) {
            // It may stand there after all. Then it holds what the others do, and what comes next goes behind it.
            if path.exists() && fs::remove_file(&path).is_err() {
                self.rotate(2);
            }
            return Err(error);
        }
        self.closed.insert(self.writer.number, self.writer.length);
        self.writer = Writer::new(&self.folder, number, bytes.len() as u64);
        self.pending = pending;
        (self.dropped, self.told) = (dropped, Some((number, dropped)));
        let void: Vec<u64> = self.closed.keys().copied().collect();
        void.into_iter().for_each(|number| self.remove(number));
        Ok(())
    }
}
