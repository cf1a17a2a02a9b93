use std::{fs, os::unix::fs::symlink};

use super::*;

fn open(folder: &Path, boot: u64) -> Spool {
    limited(folder, boot, 1 << 20)
}

pub(super) fn limited(folder: &Path, boot: u64, limit_bytes: u64) -> Spool {
    Spool::open(folder, &Config { limit_bytes }, boot)
}

pub(super) fn event(spool: &Spool, bytes: Vec<u8>) -> RecordId {
    spool.append(Channel::Event, |_| Ok(bytes)).unwrap()
}

pub(super) fn ids(spool: &Spool) -> Vec<RecordId> {
    all(spool).iter().map(|entry| entry.record).collect()
}

/// Files that take nothing, as on a full disk, in the place of the next segments.
struct Full(Vec<PathBuf>);

impl Full {
    fn behind(folder: &Path, last: u64) -> Self {
        let paths: Vec<PathBuf> = (last + 1..last + 1_000).map(|n| segment::path(folder, n)).collect();
        paths.iter().for_each(|path| symlink("/dev/full", path).unwrap());
        Self(paths)
    }

    fn no_more(self) {
        // Some were removed as finished segments.
        self.0.iter().for_each(|path| drop(fs::remove_file(path)));
    }
}

/// Fills the first segment, so that the next record begins another.
fn fill_a_segment(spool: &Spool) -> u64 {
    while spool.report().bytes < 32 << 10 {
        event(spool, vec![7; 1_000]);
    }
    spool.report().records
}

pub(super) fn all(spool: &Spool) -> Vec<Entry> {
    spool.pending(None, usize::MAX)
}

#[test]
fn records_come_back_in_order_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), 1);
    for n in 0..5_u8 {
        first.append(Channel::Event, |_| Ok(vec![n])).unwrap();
    }
    first.acknowledge(1);
    drop(first);
    let second = open(folder.path(), 2);
    second.append(Channel::Window, |_| Ok(vec![9])).unwrap();
    let bytes: Vec<u8> = all(&second).iter().map(|entry| entry.bytes[0]).collect();
    assert_eq!(bytes, [0, 2, 3, 4, 9]);
    assert_eq!(all(&second)[4].record, RecordId { boot: 2, sequence: 0 });
}

#[test]
fn a_torn_tail_costs_nothing_but_itself() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), 1);
    spool.append(Channel::Event, |_| Ok(vec![1; 50])).unwrap();
    spool.append(Channel::Event, |_| Ok(vec![2; 50])).unwrap();
    drop(spool);
    let path = segment::path(folder.path(), 0);
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 3).unwrap();
    let spool = open(folder.path(), 2);
    assert_eq!(all(&spool).len(), 1);
    spool.append(Channel::Event, |_| Ok(vec![3])).unwrap();
    drop(spool);
    assert_eq!(all(&open(folder.path(), 3)).len(), 2);
}

#[test]
fn a_full_spool_counts_what_it_drops_and_stays_within_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let limit_bytes = 64 << 10;
    let spool = limited(folder.path(), 1, limit_bytes);
    for _ in 0..500 {
        spool.append(Channel::Event, |_| Ok(vec![7; 400])).unwrap();
    }
    let report = spool.report();
    assert!(report.dropped > 0 && report.records + report.dropped == 500, "{report:?}");
    assert!(report.bytes <= limit_bytes, "{report:?}");
    drop(spool);
    let again = limited(folder.path(), 2, limit_bytes).report();
    assert_eq!((again.records, again.dropped), (report.records, report.dropped));
}

#[test]
fn acknowledged_segments_leave_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), 1);
    for _ in 0..400 {
        spool.append(Channel::Event, |_| Ok(vec![7; 500])).unwrap();
    }
    let before = spool.report().bytes;
    for entry in all(&spool) {
        spool.acknowledge(entry.position);
    }
    let after = spool.report();
    assert_eq!((after.records, after.dropped), (0, 0));
    assert!(after.bytes < before / 4, "{before} bytes became {}", after.bytes);
}

#[test]
fn a_full_disk_is_freed_by_acknowledgements() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), 1);
    fill_a_segment(&spool);
    let full = Full::behind(folder.path(), 0);
    assert!(spool.append(Channel::Event, |_| Ok(vec![1])).is_err(), "the disk is full");
    all(&spool).iter().for_each(|entry| spool.acknowledge(entry.position));
    assert_eq!((spool.report().records, segment::path(folder.path(), 0).exists()), (0, false));
    full.no_more();
    event(&spool, vec![1]);
    drop(spool);
    assert_eq!(all(&open(folder.path(), 2)).len(), 1);
}

#[test]
fn the_count_of_dropped_records_outlives_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), 1);
    event(&spool, vec![1]);
    spool.discard(0, "a test");
    fill_a_segment(&spool);
    let full = Full::behind(folder.path(), 0);
    all(&spool).iter().for_each(|entry| spool.acknowledge(entry.position));
    spool.lose("a test");
    assert!(segment::path(folder.path(), 0).exists(), "nothing else holds the count");
    full.no_more();
    let last = event(&spool, vec![1]);
    drop(spool);
    let again = open(folder.path(), 2);
    assert_eq!((again.report().dropped, ids(&again).last()), (2, Some(&last)));
}

#[test]
fn a_record_is_accepted_once_even_if_no_room_can_be_made_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 64 << 10;
    let spool = limited(folder.path(), 1, limit);
    // What is written beside first, as a compaction is, fails.
    for number in 0..200 {
        let mut beside = segment::path(folder.path(), number).into_os_string();
        beside.push(".new");
        fs::create_dir(beside).unwrap();
    }
    let accepted = 500;
    for _ in 0..accepted {
        event(&spool, vec![7; 400]);
    }
    let report = spool.report();
    assert_eq!(report.records + report.dropped, accepted);
    let segment = 16 << 10;
    assert!(report.bytes <= limit + 2 * segment, "{report:?}");
    assert_eq!(spool.take_drops().map(|drops| drops.count), Some(report.dropped));
    drop(spool);
    let again = limited(folder.path(), 2, limit).report();
    assert_eq!((again.records, again.dropped), (report.records, report.dropped));
}

#[test]
fn a_record_that_is_too_large_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), 1);
    let before = event(&spool, vec![1]);
    for length in [MAX_BYTES + 1, MAX_BYTES + 100] {
        let refused = spool.append(Channel::Sample, |_| Ok(vec![2; length]));
        assert!(matches!(refused, Err(SpoolError::Encode(MessageError::TooLarge { .. }))), "{refused:?}");
    }
    let largest = event(&spool, vec![3; MAX_BYTES]);
    let drops = Drops { count: 2, total: 2, why: TOO_LARGE };
    assert_eq!((spool.take_drops(), spool.take_drops()), (Some(drops), None));
    drop(spool);
    let again = open(folder.path(), 2);
    assert_eq!((ids(&again), again.report().dropped), (vec![before, largest], 2));
}

#[test]
fn a_disk_that_cannot_be_read_for_now_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), 1);
    let records: Vec<RecordId> = (0..5).map(|n| event(&spool, vec![n])).collect();
    let (path, aside) = (segment::path(folder.path(), 0), folder.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(all(&spool).is_empty());
    fs::remove_dir(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!((ids(&spool), spool.report().dropped), (records, 0));
}

#[test]
fn a_record_that_is_damaged_while_it_waits_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), 1);
    let records: Vec<RecordId> = (0..5).map(|n| event(&spool, vec![n; 50])).collect();
    flip(&segment::path(folder.path(), 0), 80);
    let check = |spool: &Spool| {
        assert_eq!(ids(spool), [records[0], records[2], records[3], records[4]]);
        assert_eq!(spool.report().dropped, 1);
    };
    check(&spool);
    drop(spool);
    check(&open(folder.path(), 2));
}

#[test]
fn damage_in_the_middle_of_a_segment_costs_only_what_is_damaged() {
    // A record is 75 bytes long: a flip in its body, in its length, and the same in two neighbours.
    for (places, lost) in [(vec![75 + 40], 1), (vec![75 + 2], 1), (vec![75 + 40, 150 + 40], 2)] {
        let folder = tempfile::tempdir().unwrap();
        let spool = open(folder.path(), 1);
        let records: Vec<RecordId> = (0..6).map(|n| event(&spool, vec![n; 50])).collect();
        drop(spool);
        places.iter().for_each(|at| flip(&segment::path(folder.path(), 0), *at));
        for boot in 2..4 {
            let spool = open(folder.path(), boot);
            assert_eq!(ids(&spool)[1..], records[1 + lost..], "flips at {places:?}");
            assert_eq!(spool.report().dropped, lost as u64, "start {boot}");
        }
    }
}

pub(super) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_spool_that_cannot_be_written_opens_and_goes_on_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    fs::write(&path, "no folder").unwrap();
    let spool = open(&path, 1);
    assert!(matches!(spool.append(Channel::Event, |_| Ok(vec![1])), Err(SpoolError::Disk { .. })));
    fs::remove_file(&path).unwrap();
    event(&spool, vec![1]);
    assert_eq!(all(&open(&path, 2)).len(), 1);
}

#[test]
fn large_records_at_the_head_do_not_keep_the_spool_over_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 1 << 20;
    let spool = limited(folder.path(), 1, limit);
    let mut last = None;
    for _ in 0..40 {
        last = Some(event(&spool, vec![7; 100_000]));
        assert!(spool.report().bytes <= limit, "{:?}", spool.report());
    }
    let report = spool.report();
    assert_eq!(report.records + report.dropped, 40);
    assert_eq!(ids(&spool).last(), last.as_ref(), "the oldest go first");
    assert!(report.records >= 5, "{report:?}");
}
