//! The device's wall clock, as a value that the simulator can bend.

use std::time::{SystemTime, UNIX_EPOCH};

use dunlin_protocol::message::ClockQuality;

/// Wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// How far that can be believed.
    fn quality(&self) -> ClockQuality;
}

/// The board's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
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
