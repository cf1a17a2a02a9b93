//! How many rows are due. Decides only.

use std::time::Duration;

/// Rows at once when there is no pace, so that stopping stays quick.
const UNPACED: u64 = 2_000;

/// Turns time into rows, keeping fractions.
#[derive(Debug, Clone)]
pub struct Pace {
    rows_per_second: f64,
    owed: f64,
}

impl Pace {
    /// A pace; 0 rows a second is no limit.
    pub fn new(rows_per_second: f64) -> Self {
        Self { rows_per_second, owed: 0.0 }
    }

    /// Rows due after `elapsed`. What was missed for more than two seconds is not caught up.
    pub fn due(&mut self, elapsed: Duration) -> u64 {
        if self.rows_per_second <= 0.0 {
            return UNPACED;
        }
        self.owed += self.rows_per_second * elapsed.as_secs_f64().min(2.0);
        let due = self.owed.floor();
        self.owed -= due;
        due as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_a_row_are_not_lost() {
        let mut pace = Pace::new(3.0);
        let rows: u64 = (0..100).map(|_| pace.due(Duration::from_millis(100))).sum();
        assert!((29..=30).contains(&rows), "{rows} rows in ten seconds at three a second");
    }

    #[test]
    fn a_stopped_clock_is_not_caught_up_in_a_rush() {
        assert_eq!(Pace::new(10.0).due(Duration::from_secs(3600)), 20);
    }
}
