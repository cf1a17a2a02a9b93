//! Whether the work that the agent is there for goes on.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// An inference that takes longer is one that hangs: the largest model that fits a board answers within seconds.
pub const LONGEST_INFERENCE: Duration = Duration::from_secs(120);

/// Inferences and windows that began and ended. Cheap to count: it stands beside every inference.
#[derive(Debug, Default)]
pub struct Progress {
    begun: AtomicU64,
    ended: AtomicU64,
    windows: AtomicU64,
}

/// One inference under way; ends when it is dropped, also by a panic.
pub struct Inference<'a>(&'a Progress);

impl Drop for Inference<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}

impl Progress {
    /// Counts an inference until the guard is dropped.
    pub fn inference(&self) -> Inference<'_> {
        self.begun.fetch_add(1, Relaxed);
        Inference(self)
    }

    /// Counts a round of closing windows.
    pub fn window(&self) {
        self.windows.fetch_add(1, Relaxed);
    }

    /// What the counters say now.
    pub fn seen(&self) -> Seen {
        // Ended first: an inference that begins in between is one more under way, never one fewer.
        let ended = self.ended.load(Relaxed);
        let waiting = self.begun.load(Relaxed) > ended;
        Seen { ended, waiting, windows: self.windows.load(Relaxed) }
    }
}

/// Counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    ended: u64,
    waiting: bool,
    windows: u64,
}

/// Why the agent no longer does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    /// Inferences are under way and none has ended for so long.
    Inference(Duration),
    /// No window was closed for so long.
    Windows(Duration),
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inference(time) => write!(f, "no inference has ended for {} s", time.as_secs()),
            Self::Windows(time) => write!(f, "no statistics window was closed for {} s", time.as_secs()),
        }
    }
}

/// Judges what is [`Seen`] from time to time. Decides only; times are those since any fixed moment.
#[derive(Debug, Clone, Copy)]
pub struct Judge {
    seen: Seen,
    inference: Duration,
    window: Duration,
    longest_window: Duration,
}

impl Judge {
    /// Begins to judge. A window is due every `window`; twice that, and two minutes for a slow disk, is too long.
    pub fn new(seen: Seen, window: Duration, now: Duration) -> Self {
        let longest_window = window.saturating_mul(2).saturating_add(LONGEST_INFERENCE);
        Self { seen, inference: now, window: now, longest_window }
    }

    /// Takes note of what is seen now; what stands still for too long is returned.
    pub fn look(&mut self, seen: Seen, now: Duration) -> Option<Stall> {
        if seen.ended != self.seen.ended || !seen.waiting {
            self.inference = now;
        }
        if seen.windows != self.seen.windows {
            self.window = now;
        }
        self.seen = seen;
        let (inference, window) = (now.saturating_sub(self.inference), now.saturating_sub(self.window));
        if inference > LONGEST_INFERENCE {
            return Some(Stall::Inference(inference));
        }
        (window > self.longest_window).then_some(Stall::Windows(window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(progress: &Progress) -> Judge {
        Judge::new(progress.seen(), Duration::from_secs(60), Duration::ZERO)
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_agent_without_work_makes_progress_as_long_as_windows_close() {
        let progress = Progress::default();
        let mut judge = judge(&progress);
        for minute in 1..100 {
            progress.window();
            assert_eq!(judge.look(progress.seen(), at(minute * 60)), None);
        }
        assert_eq!(judge.look(progress.seen(), at(99 * 60 + 240)), None);
        assert_eq!(judge.look(progress.seen(), at(99 * 60 + 241)), Some(Stall::Windows(at(241))));
    }

    #[test]
    fn an_inference_that_hangs_is_seen_and_one_that_others_overtake_is_not() {
        let progress = Progress::default();
        let mut judge = judge(&progress);
        let hangs = progress.inference();
        assert_eq!(judge.look(progress.seen(), at(100)), None);
        drop(progress.inference());
        assert_eq!(judge.look(progress.seen(), at(130)), None, "another one ended");
        assert_eq!(judge.look(progress.seen(), at(130 + 121)), Some(Stall::Inference(at(121))));
        drop(hangs);
        assert_ne!(judge.look(progress.seen(), at(252)), Some(Stall::Inference(at(122))));
    }

    #[test]
    fn an_inference_that_panics_has_ended() {
        let progress = Progress::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _running = progress.inference();
            panic!("a hostile input");
        }));
        assert!(panicked.is_err() && !progress.seen().waiting);
    }
}
