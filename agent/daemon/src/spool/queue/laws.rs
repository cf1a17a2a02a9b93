//! What holds for a spool whatever happens to it.

use std::{collections::BTreeSet, fs};

use dunlin_protocol::{
    Message as _,
    message::{ClockQuality, Window},
    statistics::{LabelStatistics, LatencyHistogram, OutputStatistics},
};
use proptest::prelude::*;

use super::{
    tests::{all, event, flip, ids, limited},
    *,
};

fn on_disk(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn window(record: RecordId) -> Window {
    Window {
        record,
        model: "rain-1.0.0".parse().unwrap(),
        start_ms: record.sequence as i64 * 60_000,
        duration_ms: 60_000,
        merged: 1,
        clock: ClockQuality::Synchronised,
        inferences: 10,
        failures: 1,
        inputs: vec![],
        outputs: OutputStatistics::Uncounted,
        latency: LatencyHistogram::default(),
        labels: LabelStatistics::default(),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Event(u16),
    Sample(u16),
    Windows(u8),
    Acknowledge(u8),
    Discard(u8),
    /// Stop without goodbye, with this many bytes of garbage at the end, and start again.
    Kill(u8),
}

fn steps(largest: u16) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..largest).prop_map(Step::Event),
        2 => (1..largest).prop_map(Step::Sample),
        2 => (1_u8..12).prop_map(Step::Windows),
        3 => any::<u8>().prop_map(Step::Acknowledge),
        1 => any::<u8>().prop_map(Step::Discard),
        1 => any::<u8>().prop_map(Step::Kill),
    ];
    prop::collection::vec(step, 1..40)
}

/// A spool with what is known of it from outside.
struct Watched {
    folder: tempfile::TempDir,
    limit: u64,
    boot: u64,
    spool: Spool,
    accepted: BTreeSet<RecordId>,
    acknowledged: u64,
}

impl Watched {
    fn new(limit: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spool = limited(folder.path(), 1, limit);
        Self { folder, limit, boot: 1, spool, accepted: BTreeSet::new(), acknowledged: 0 }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Event(size) => {
                self.accepted.insert(event(&self.spool, vec![1; usize::from(size)]));
            }
            Step::Sample(size) => {
                let sample = self.spool.append(Channel::Sample, |_| Ok(vec![1; usize::from(size)]));
                self.accepted.insert(sample.unwrap());
            }
            Step::Windows(count) => {
                for _ in 0..count {
                    let kept = self.spool.append(Channel::Window, |record| window(record).encode());
                    self.accepted.insert(kept.unwrap());
                }
            }
            Step::Acknowledge(which) | Step::Discard(which) => {
                let entries = all(&self.spool);
                let Some(entry) = entries.get(usize::from(which) % entries.len().max(1)) else { return };
                if matches!(step, Step::Discard(_)) {
                    self.spool.discard(entry.position, "a test");
                } else {
                    self.spool.acknowledge(entry.position);
                    self.acknowledged += 1;
                    self.accepted.remove(&entry.record);
                }
            }
            Step::Kill(garbage) => {
                let last = segment::list(self.folder.path()).unwrap().last().copied();
                if let Some(last) = last {
                    let mut bytes = fs::read(segment::path(self.folder.path(), last)).unwrap();
                    bytes.extend(vec![0x5a; usize::from(garbage)]);
                    fs::write(segment::path(self.folder.path(), last), bytes).unwrap();
                }
                self.boot += 1;
                self.spool = limited(self.folder.path(), self.boot, self.limit);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// As long as there is room, what was accepted and neither acknowledged nor discarded is still there. Garbage at
    /// the end stands for a write that was under way when the power went.
    #[test]
    fn no_unacknowledged_record_is_ever_lost(steps in steps(600)) {
        let mut watched = Watched::new(1 << 20);
        for step in steps {
            let discarded = matches!(step, Step::Discard(_));
            watched.take(step);
            let found: BTreeSet<RecordId> = ids(&watched.spool).into_iter().collect();
            if discarded {
                watched.accepted.retain(|record| found.contains(record));
            }
            prop_assert_eq!(&found, &watched.accepted);
        }
    }

    /// Whatever happens, every accepted record is pending, acknowledged, or counted as merged or dropped, and the
    /// spool stays within its bytes.
    #[test]
    fn every_record_is_accounted_for_within_the_limit(steps in steps(9_000)) {
        let mut watched = Watched::new(64 << 10);
        for step in steps {
            watched.take(step);
            let report = watched.spool.report();
            let gone = watched.accepted.len() as u64 - report.records;
            prop_assert_eq!(report.dropped, gone, "{:?}", report);
            prop_assert!(report.bytes <= watched.limit, "{:?}", report);
            prop_assert_eq!(on_disk(watched.folder.path()), report.bytes);
        }
    }

    /// Damage anywhere before the last frame, which could be a write that was under way, costs no more than is
    /// counted, and is counted once.
    #[test]
    fn damage_is_counted(steps in steps(600), place in any::<prop::sample::Index>()) {
        let mut watched = Watched::new(1 << 20);
        steps.into_iter().filter(|step| !matches!(step, Step::Kill(_))).for_each(|step| watched.take(step));
        watched.take(Step::Event(100));
        let last = segment::list(watched.folder.path()).unwrap().pop().unwrap();
        let path = segment::path(watched.folder.path(), last);
        let before_last = fs::metadata(&path).unwrap().len() as usize - 125;
        prop_assume!(before_last > 0);
        flip(&path, place.index(before_last));
        let spool = limited(watched.folder.path(), 2, 1 << 20);
        let found: BTreeSet<RecordId> = ids(&spool).into_iter().collect();
        let missing = watched.accepted.difference(&found).count() as u64;
        let report = spool.report();
        prop_assert!(missing <= report.dropped, "{missing} are missing, {report:?}");
        drop(spool);
        let again = limited(watched.folder.path(), 3, 1 << 20).report();
        prop_assert_eq!((again.records, again.dropped), (report.records, report.dropped));
    }
}
