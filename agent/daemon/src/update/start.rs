//! The start of the agent, before any model is loaded.

use std::time::Duration;

use super::{
    Config, Ledger,
    machine::{self, Event, Next, Progress},
    record::Record,
    work::settle_slots,
};
use crate::{clock::Clock, serving::Shelf};

/// Counts this start against every update that is under way: a model whose loading ends the process is taken back by
/// this. Returns what ended by it. What the disk refuses counts in memory: it ends no start.
pub fn count_start(ledger: &mut Ledger, shelf: &Shelf, clock: &dyn Clock, config: &Config) -> Vec<Record> {
    let mut ended = Vec::new();
    for mut record in ledger.records().values().cloned().collect::<Vec<_>>() {
        if !record.state.is_final() {
            record.starts += 1;
            let progress =
                Progress { elapsed: Duration::ZERO, failures: record.failures, starts: record.starts };
            let next = machine::next(&record.state, progress, &Event::Restarted, config);
            if let Next::Enter(state) = next {
                record.enter(state, clock.now_ms());
                ended.push(record.clone());
            }
            ledger.settle(record.clone());
        }
        let name = &record.model().name;
        let mut slots = shelf.get(name);
        if settle_slots(&record, &mut slots) {
            shelf.settle(name, slots);
        }
    }
    shelf.write_behind();
    ended
}
