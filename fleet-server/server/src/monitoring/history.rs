//! The windows of a device that are looked at together. They are kept packed, and earlier ones become one where they
//! hold few values: a board that infers once a minute must come to as many values as one that infers all the time.
//! The earlier, the coarser, so that what began lately is still told from what was before.

use std::collections::VecDeque;

use dunlin_protocol::{Message, message::Window, statistics::LabelStatistics};

/// Windows of a device.
const KEPT: usize = 24;
/// The latest ones stay as they came: a broken sensor shows there first.
const LATEST: usize = 8;
/// Neighbours before them become one where they hold at most so many inferences together, or a fourth of what came
/// after them.
const FEW: u64 = 200;

/// A window, packed, with what is asked of all devices at once.
#[derive(Debug)]
pub struct Kept {
    /// Start, in milliseconds since 1970.
    pub start_ms: i64,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Inferences that gave an answer.
    pub inferences: u64,
    /// Answers whose truth is known.
    pub labels: LabelStatistics,
    body: Box<[u8]>,
}

impl Kept {
    /// `None` for a window that cannot be encoded, which one that was read can.
    fn pack(window: &Window) -> Option<Self> {
        let body = window
            .encode()
            .inspect_err(|error| tracing::warn!(%error, "a window is left out of what is watched"))
            .ok()?;
        Some(Self {
            start_ms: window.start_ms,
            duration_ms: window.duration_ms,
            inferences: window.inferences,
            labels: window.labels,
            body: body.into_boxed_slice(),
        })
    }

    fn unpack(&self) -> Option<Window> {
        Window::decode(&self.body).ok()
    }

    /// Inferences per minute; `None` without a length.
    pub fn per_minute(&self) -> Option<f64> {
        let minutes = self.duration_ms as f64 / 60_000.0;
        (minutes > 0.0).then(|| self.inferences as f64 / minutes)
    }

    /// Whether it has a part in `[from_ms, to_ms)`.
    pub fn touches(&self, from_ms: i64, to_ms: i64) -> bool {
        self.start_ms < to_ms && self.start_ms.saturating_add_unsigned(self.duration_ms) > from_ms
    }
}

/// One device's windows under one model, in the order of time.
#[derive(Debug, Default)]
pub struct History {
    kept: VecDeque<Kept>,
}

impl History {
    /// Adds a window. Late ones of an offline device come in order, but maybe behind newer ones of another boot.
    pub fn add(&mut self, window: &Window) {
        let Some(packed) = Kept::pack(window) else { return };
        let at = self.kept.partition_point(|other| other.start_ms <= packed.start_ms);
        self.kept.insert(at, packed);
        while self.kept.len() > KEPT {
            if self.merge_earlier().is_none() {
                self.kept.pop_front();
            }
        }
    }

    /// Makes one of the earliest neighbours that are few beside what came later; `None` where there are none.
    fn merge_earlier(&mut self) -> Option<()> {
        let mut later: u64 = self.kept.iter().map(|kept| kept.inferences).sum();
        let earlier = self.kept.len().saturating_sub(LATEST);
        let pairs = self.kept.iter().zip(self.kept.iter().skip(1)).take(earlier.saturating_sub(1));
        let at = 1 + pairs.into_iter().position(|(one, next)| {
            later = later.saturating_sub(one.inferences);
            let together = one.inferences.saturating_add(next.inferences);
            together <= FEW.max(later.saturating_sub(next.inferences) / 4)
        })?;
        let mut window = self.kept.get(at - 1)?.unpack()?;
        window.merge(&self.kept.get(at)?.unpack()?).ok()?;
        *self.kept.get_mut(at - 1)? = Kept::pack(&window)?;
        self.kept.remove(at).map(|_| ())
    }

    /// The windows, packed.
    pub fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter()
    }

    /// The windows with a part in `[from_ms, to_ms)`.
    pub fn between(&self, from_ms: i64, to_ms: i64) -> impl Iterator<Item = Window> {
        self.kept.iter().filter(move |kept| kept.touches(from_ms, to_ms)).filter_map(Kept::unpack)
    }

    /// All windows.
    pub fn windows(&self) -> impl Iterator<Item = Window> {
        self.kept.iter().filter_map(Kept::unpack)
    }

    /// Bytes that the windows take.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| size_of::<Kept>() + kept.body.len()).sum()
    }
}
