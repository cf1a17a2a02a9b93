//! What to merge and drop when the spool is full. Decides only.

use dunlin_protocol::{
    Channel,
    message::{Message as _, RecordId, Window},
};

/// Merging makes room until this share of the limit is used, so that it is not done again at once.
const TARGET: f64 = 0.7;

/// Lengths that windows may be merged up to, in milliseconds, finest first: 10 minutes, an hour, six hours, a day.
const LENGTHS: [u64; 4] = [600_000, 3_600_000, 21_600_000, 86_400_000];

/// A pending record in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place in the queue.
    pub position: u64,
    /// Where to.
    pub channel: Channel,
    /// Its identity.
    pub record: RecordId,
    /// The encoded message.
    pub bytes: Vec<u8>,
}

/// Makes a list of pending records small enough. The first `protected` may have been sent and are never merged.
/// The other windows merge, the oldest first and as finely as suffices; if that is not enough, the oldest samples,
/// then events, then windows go, sent or not. Returns what stays and how many records were merged away or dropped.
pub fn compact(items: Vec<Item>, protected: usize, limit: u64) -> (Vec<Item>, u64) {
    let target = (limit as f64 * TARGET) as u64;
    let before = items.len();
    let mut items = items;
    for length in LENGTHS {
        if size(&items) <= target {
            break;
        }
        items = merge_up_to(items, protected, length, target);
    }
    for channel in [Channel::Sample, Channel::Event, Channel::Window] {
        let mut excess = size(&items).saturating_sub(target);
        items.retain(|item| {
            let goes = excess > 0 && item.channel == channel;
            if goes {
                excess = excess.saturating_sub(cost(item));
            }
            !goes
        });
    }
    let gone = (before - items.len()) as u64;
    (items, gone)
}

/// Merges neighbours of one model as long as the result is no longer than `length` ms, until `target` is reached.
fn merge_up_to(items: Vec<Item>, protected: usize, length: u64, target: u64) -> Vec<Item> {
    let mut total = size(&items);
    let mut kept: Vec<Item> = Vec::with_capacity(items.len());
    // Windows that may still grow: at most one per model, as (place in `kept`, window).
    let mut open: Vec<(usize, Window)> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let window = (index >= protected && item.channel == Channel::Window && total > target)
            .then(|| Window::decode(&item.bytes).ok())
            .flatten();
        let Some(window) = window else {
            kept.push(item);
            continue;
        };
        let slot = open.iter().position(|(_, earlier)| earlier.model == window.model);
        if let Some(slot) = slot {
            let (place, earlier) = &mut open[slot];
            let mut merged = earlier.clone();
            let fits = merged.merge(&window).is_ok() && merged.duration_ms <= length;
            if let (true, Ok(bytes)) = (fits, merged.encode()) {
                total = total.saturating_sub(cost(&item) + cost(&kept[*place]));
                kept[*place].bytes = bytes;
                total += cost(&kept[*place]);
                *earlier = merged;
                continue;
            }
            open.swap_remove(slot);
        }
        open.push((kept.len(), window));
        kept.push(item);
    }
    kept
}

/// Bytes a record takes on disk.
fn cost(item: &Item) -> u64 {
    item.bytes.len() as u64 + 25
}

fn size(items: &[Item]) -> u64 {
    items.iter().map(cost).sum()
}

#[cfg(test)]
mod tests {
    use dunlin_protocol::{
        message::ClockQuality,
        statistics::{LabelStatistics, LatencyHistogram, OutputStatistics},
    };

    use super::*;

    fn window(minute: u64, model: &str) -> Item {
        let record = RecordId { boot: 1, sequence: minute };
        let window = Window {
            record,
            model: model.parse().unwrap(),
            start_ms: minute as i64 * 60_000,
            duration_ms: 60_000,
            merged: 1,
            clock: ClockQuality::Synchronised,
            inferences: 10,
            failures: 1,
            inputs: vec![],
            outputs: OutputStatistics::Uncounted,
            latency: LatencyHistogram::default(),
            labels: LabelStatistics::default(),
        };
        Item { position: minute, channel: Channel::Window, record, bytes: window.encode().unwrap() }
    }

    fn inferences(items: &[Item]) -> u64 {
        items.iter().map(|item| Window::decode(&item.bytes).unwrap().inferences).sum()
    }

    #[test]
    fn a_month_of_minutes_keeps_every_count_and_the_protected_records() {
        let items: Vec<Item> = (0..10_000).map(|minute| window(minute, "rain-1.0.0")).collect();
        let limit = size(&items) / 8;
        let (kept, gone) = compact(items.clone(), 128, limit);
        assert_eq!(inferences(&kept), inferences(&items));
        assert_eq!(kept[..128], items[..128]);
        assert!(size(&kept) <= limit, "{} bytes are over {limit}", size(&kept));
        assert_eq!(gone as usize, items.len() - kept.len());
    }

    #[test]
    fn windows_of_two_models_are_never_mixed() {
        let items: Vec<Item> =
            (0..600).map(|m| window(m, if m % 2 == 0 { "rain-1.0.0" } else { "rain-1.1.0" })).collect();
        let (kept, _) = compact(items.clone(), 0, size(&items) / 4);
        for model in ["rain-1.0.0", "rain-1.1.0"] {
            let of = |items: &[Item]| {
                items
                    .iter()
                    .filter(|item| Window::decode(&item.bytes).unwrap().model.to_string() == model)
                    .cloned()
                    .collect::<Vec<_>>()
            };
            assert_eq!(inferences(&of(&kept)), inferences(&of(&items)));
        }
    }

    #[test]
    fn samples_go_before_events_and_windows() {
        let mut items: Vec<Item> = (0..10).map(|m| window(m * 100_000, "rain-1.0.0")).collect();
        for n in 0..10 {
            let record = RecordId { boot: 2, sequence: n };
            items.push(Item { position: 100 + n, channel: Channel::Sample, record, bytes: vec![0; 300] });
        }
        let windows: u64 = items[..10].iter().map(cost).sum();
        let (kept, gone) = compact(items, 0, (windows as f64 / TARGET) as u64 + 10);
        assert_eq!((kept.len(), gone), (10, 10));
        assert!(kept.iter().all(|item| item.channel == Channel::Window));
    }
}
