//! Which inputs to keep. Decides only.

use super::Config;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Why an input is kept, `None` when it is not. `random` is uniform in [0, 1).
pub fn why(config: &Config, confidence: Option<f64>, novel: bool, random: f64) -> Option<&'static str> {
    if config.novel && novel {
        Some("novel")
    } else if confidence.is_some_and(|confidence| confidence < config.below_confidence) {
        Some("uncertain")
    } else if random < config.random_share {
        Some("random")
    } else {
        None
    }
}

/// Bytes spent today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    day: i64,
    spent: u64,
}

impl Budget {
    /// Takes `bytes` from the budget of the day of `now_ms`; false, and nothing is taken, when it is used up.
    /// A clock that goes back does not refill it.
    pub fn take(&mut self, bytes: u64, now_ms: i64, per_day: u64) -> bool {
        let day = now_ms.div_euclid(DAY_MS);
        if day > self.day {
            *self = Self { day, spent: 0 };
        }
        let fits = self.spent.saturating_add(bytes) <= per_day;
        if fits {
            self.spent += bytes;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_that_says_most_is_given() {
        let config = Config { random_share: 0.5, ..Config::default() };
        assert_eq!(why(&config, Some(0.1), true, 0.0), Some("novel"));
        assert_eq!(why(&config, Some(0.1), false, 0.0), Some("uncertain"));
        assert_eq!(why(&config, Some(0.9), false, 0.4), Some("random"));
        assert_eq!(why(&config, None, false, 0.5), None);
    }

    #[test]
    fn a_days_budget_is_never_exceeded_and_not_refilled_by_a_clock_that_goes_back() {
        let mut budget = Budget::default();
        let day = |n: i64| n * DAY_MS + 5;
        assert!(budget.take(60, day(10), 100));
        assert!(!budget.take(60, day(10), 100));
        assert!(budget.take(40, day(9), 100));
        assert!(!budget.take(1, day(9), 100));
        assert!(budget.take(100, day(11), 100));
    }
}
