//! The device's clock, as a value that the simulator can bend.

use std::{
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use dunlin_protocol::message::ClockQuality;

/// What time it is, and how much of it passed.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970. May jump when it is set.
    fn now_ms(&self) -> i64;
    /// Time since a fixed moment: runs as fast as `now_ms`, never jumps and never goes back.
    fn elapsed(&self) -> Duration;
    /// How far that can be believed.
    fn quality(&self) -> ClockQuality;
}

/// The board's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn elapsed(&self) -> Duration {
        STARTED.elapsed()
    }

    /// Before this program was built it is certainly wrong. Where the system waits for the network to set it and
    /// there is no clock chip, nothing is known of it. Else it counts as synchronised: in a container, or with a
    /// service that leaves no trace, a plausible clock is as a rule a right one, and saying less would have the
    /// server take spooled windows for new ones.
    fn quality(&self) -> ClockQuality {
        quality(self.now_ms(), Path::new("/"))
    }
}

fn quality(now_ms: i64, root: &Path) -> ClockQuality {
    if now_ms < dunlin_trust::build_time().as_millisecond() {
        ClockQuality::Wrong
    } else if Keeper::read(root) == Keeper::Waiting && !has_chip(root) {
        ClockQuality::Unknown
    } else {
        ClockQuality::Synchronised
    }
}

/// Who sets the system's clock, as far as files below `/run` tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// systemd-timesyncd set it from the network.
    Timesyncd,
    /// systemd-timesyncd runs and has not set it yet.
    Waiting,
    /// chrony runs; whether it set the clock is known to `chronyc tracking` only.
    Chrony,
    /// No service that is known here.
    Nobody,
}

impl Keeper {
    /// Looks below `root`, which is `/` on a board.
    pub fn read(root: &Path) -> Self {
        let there = |path: &str| root.join(path).exists();
        if there("run/systemd/timesync/synchronized") {
            Keeper::Timesyncd
        } else if there("run/chrony") || there("run/chronyd.pid") {
            Keeper::Chrony
        } else if there("run/systemd/timesync") {
            Keeper::Waiting
        } else {
            Keeper::Nobody
        }
    }
}

/// True where a clock chip keeps time without power.
pub fn has_chip(root: &Path) -> bool {
    std::fs::read_dir(root.join("sys/class/rtc")).is_ok_and(|mut chips| chips.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::tree;

    #[test]
    fn only_a_clock_that_still_waits_and_has_no_chip_is_unknown() {
        let now = dunlin_trust::build_time().as_millisecond() + 1;
        type Files = &'static [(&'static str, &'static str)];
        let table: [(Files, i64, ClockQuality); 6] = [
            (&[], now, ClockQuality::Synchronised),
            (&[], now - 2, ClockQuality::Wrong),
            (&[("run/systemd/timesync/x", "")], now, ClockQuality::Unknown),
            (&[("run/systemd/timesync/synchronized", "")], now, ClockQuality::Synchronised),
            (&[("run/systemd/timesync/x", ""), ("sys/class/rtc/rtc0", "")], now, ClockQuality::Synchronised),
            (&[("run/systemd/timesync/x", ""), ("run/chrony/x", "")], now, ClockQuality::Synchronised),
        ];
        for (files, now_ms, expected) in table {
            assert_eq!(quality(now_ms, tree(files).path()), expected, "{files:?} {now_ms}");
        }
    }
}
