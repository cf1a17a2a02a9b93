//! Pauses between attempts: exponential with full jitter, so that a fleet does not come back in one wave.

use std::time::Duration;

/// The pause before attempt `failures + 1`: uniform between 0 and min(max, 2^failures) seconds.
/// `random` is uniform in [0, 1). The first failure waits at most two seconds.
pub fn pause(failures: u32, max: Duration, random: f64) -> Duration {
    let ceiling = Duration::from_secs(1 << failures.min(20)).min(max);
    ceiling.mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_ceiling_and_spread_from_zero() {
        let max = Duration::from_secs(60);
        assert_eq!(pause(0, max, 1.0), Duration::from_secs(1));
        assert_eq!(pause(3, max, 1.0), Duration::from_secs(8));
        assert_eq!(pause(u32::MAX, max, 1.0), max);
        assert_eq!(pause(9, max, 0.0), Duration::ZERO);
    }
}
