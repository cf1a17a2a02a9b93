use proptest::prelude::*;

use super::*;

fn open(folder: &Path, boot: u64) -> Spool {
    Spool::open(folder, &Config { limit_bytes: 1 << 20 }, boot).unwrap()
}

fn all(spool: &Spool) -> Vec<Entry> {
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
    let spool = Spool::open(folder.path(), &Config { limit_bytes }, 1).unwrap();
    for _ in 0..500 {
        spool.append(Channel::Event, |_| Ok(vec![7; 400])).unwrap();
    }
    let report = spool.report();
    assert!(report.dropped > 0 && report.records + report.dropped == 500, "{report:?}");
    assert!(report.bytes <= limit_bytes, "{report:?}");
    drop(spool);
    let again = Spool::open(folder.path(), &Config { limit_bytes }, 2).unwrap().report();
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

#[derive(Debug, Clone)]
enum Step {
    Append(u16),
    Acknowledge(u8),
    /// Stop without goodbye, lose this many bytes of the last segment's unflushed end, start again.
    Kill(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u16..600).prop_map(Step::Append),
        3 => any::<u8>().prop_map(Step::Acknowledge),
        1 => any::<u8>().prop_map(Step::Kill),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, what was accepted and not acknowledged is still there. Garbage at the end stands for a
    /// write that was under way when the power went.
    #[test]
    fn no_unacknowledged_record_is_ever_lost(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let (mut boot, mut spool) = (1, open(folder.path(), 1));
        let mut expected: Vec<RecordId> = Vec::new();
        for step in steps {
            match step {
                Step::Append(size) => {
                    expected.push(spool.append(Channel::Event, |_| Ok(vec![1; usize::from(size)])).unwrap());
                }
                Step::Acknowledge(which) => {
                    let entries = all(&spool);
                    if let Some(entry) = entries.get(usize::from(which) % entries.len().max(1)) {
                        spool.acknowledge(entry.position);
                        expected.retain(|record| *record != entry.record);
                    }
                }
                Step::Kill(garbage) => {
                    drop(spool);
                    let last = *segment::list(folder.path()).unwrap().last().unwrap();
                    let mut file = fs::OpenOptions::new()
                        .append(true)
                        .open(segment::path(folder.path(), last))
                        .unwrap();
                    io::Write::write_all(&mut file, &vec![0x5a; usize::from(garbage)]).unwrap();
                    boot += 1;
                    spool = open(folder.path(), boot);
                }
            }
            let found: Vec<RecordId> = all(&spool).iter().map(|entry| entry.record).collect();
            prop_assert_eq!(&found, &expected);
        }
    }
}
