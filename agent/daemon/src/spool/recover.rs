//! The index of a spool, read back from its segments after a restart.

use std::{collections::HashSet, io, path::Path};

use super::{
    frame::Frame,
    log::{Log, Place},
    segment::{self, Writer},
};

/// The log that `folder` holds, and how many records were found damaged, at least. What the disk does not give back
/// now is left where it is.
pub fn recover(folder: &Path, segment_bytes: u64) -> (Log, u64) {
    let mut log = Log::empty(folder, segment_bytes);
    let numbers = segment::list(folder).unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            tracing::error!(%error, path = %folder.display(), "the spool cannot be read");
        }
        Vec::new()
    });
    let (mut order, mut acknowledged, mut lost) = (Vec::new(), HashSet::new(), 0);
    let mut read = None;
    for number in &numbers {
        let path = segment::path(folder, *number);
        let recovered = match segment::recover(&path) {
            Ok(recovered) => recovered,
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "a segment of the spool was left out");
                continue;
            }
        };
        read = Some(*number);
        log.closed.insert(*number, recovered.length);
        lost += recovered.lost;
        for placed in recovered.frames {
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
                Frame::Dropped(total) => {
                    log.dropped = log.dropped.max(total);
                    log.told = Some((*number, log.dropped));
                }
                Frame::Replaces => {
                    order.clear();
                    acknowledged.clear();
                    lost = recovered.lost;
                    let void: Vec<u64> = log.closed.range(..number).map(|(void, _)| *void).collect();
                    void.into_iter().for_each(|void| log.remove(void));
                }
            }
        }
    }
    // Behind a segment that cannot be read, writing begins anew.
    let last = numbers.last().copied();
    log.writer = match last.filter(|last| read == Some(*last)) {
        Some(last) => Writer::new(folder, last, log.closed.remove(&last).unwrap_or_default()),
        None => Writer::new(folder, last.map_or(0, |last| last + 1), 0),
    };
    let live = order.into_iter().filter(|place| !acknowledged.contains(&place.record));
    log.pending = (0..).zip(live).collect();
    log.next_position = log.pending.len() as u64;
    (log, lost)
}
