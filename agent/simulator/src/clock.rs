//! A clock that is off and runs at its own rate, as those of boards without a clock chip do.

use std::time::Duration;

use dunlin_agent::{Clock, SystemClock};
use dunlin_protocol::message::ClockQuality;

/// A clock that was right once and then ran too fast or too slow.
#[derive(Debug, Clone, Copy)]
pub struct StationClock {
    started_ms: i64,
    offset_ms: i64,
    parts_per_million: i64,
}

impl StationClock {
    /// A clock that is `offset_ms` off now and gains `parts_per_million` microseconds a second.
    pub fn new(offset_ms: i64, parts_per_million: i64) -> Self {
        Self { started_ms: SystemClock.now_ms(), offset_ms, parts_per_million }
    }

    fn at(&self, true_ms: i64) -> i64 {
        let gained =
            true_ms.saturating_sub(self.started_ms).saturating_mul(self.parts_per_million) / 1_000_000;
        true_ms.saturating_add(self.offset_ms).saturating_add(gained)
    }
}

impl Clock for StationClock {
    fn now_ms(&self) -> i64 {
        self.at(SystemClock.now_ms())
    }

    fn elapsed(&self) -> Duration {
        let rate = 1.0 + self.parts_per_million as f64 / 1e6;
        SystemClock.elapsed().mul_f64(rate.max(0.0))
    }

    fn quality(&self) -> ClockQuality {
        if self.offset_ms == 0 { ClockQuality::Synchronised } else { ClockQuality::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_gains_at_its_rate() {
        let clock = StationClock { started_ms: 1_000, offset_ms: -500, parts_per_million: 100 };
        assert_eq!(clock.at(1_000), 500);
        assert_eq!(clock.at(10_001_000), 10_001_500);
        assert_eq!(clock.quality(), ClockQuality::Unknown);
    }
}
