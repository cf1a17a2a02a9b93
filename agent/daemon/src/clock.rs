//! The device's clock, as a value that the simulator can bend.

use std::{
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

    /// Before this program was built it is certainly wrong; whether it is set from the network, the kernel does
    /// not say to an unprivileged program that forbids unsafe code, so a plausible clock counts as synchronised.
    fn quality(&self) -> ClockQuality {
        if self.now_ms() < dunlin_trust::build_time().as_millisecond() {
            ClockQuality::Wrong
        } else {
            ClockQuality::Synchronised
        }
    }
}
