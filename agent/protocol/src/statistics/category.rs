//! Counting a text column.

use serde::{Deserialize, Serialize};

use super::{Counts, MergeError};

/// Statistics of a text column against the categories known from training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryStatistics {
    /// Count of each known category, in the reference's order.
    pub known: Counts,
    /// Texts that training did not have.
    pub other: u64,
    /// Empty texts, which mean missing.
    pub missing: u64,
    /// Texts of the same category as the text before; all unknown ones are one category. 0 also where
    /// nobody counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl CategoryStatistics {
    /// Nothing counted yet.
    fn empty(categories: usize) -> Self {
        Self { known: Counts::zeros(categories), other: 0, missing: 0, repeats: 0 }
    }

    /// Values seen.
    pub fn seen(&self) -> u64 {
        self.known.total().saturating_add(self.other).saturating_add(self.missing)
    }

    /// Adds a later window's statistics of the same feature.
    pub fn merge(&mut self, later: &Self) -> Result<(), MergeError> {
        self.known.merge(&later.known)?;
        self.other = self.other.saturating_add(later.other);
        self.missing = self.missing.saturating_add(later.missing);
        self.repeats = self.repeats.saturating_add(later.repeats);
        Ok(())
    }

    /// How much the category depends on the one before: (a − Σp²) / (1 − Σp²) for the share a of repeats and the
    /// shares p of the categories, which is the lag-1 autocorrelation of every category's indicator where these are
    /// equal, and their weighted mean otherwise. `None` with fewer than two values or a single category.
    pub fn lag1(&self) -> Option<f64> {
        let total = self.known.total().saturating_add(self.other);
        let share = |count: u64| count as f64 / total as f64;
        let by_chance: f64 =
            self.known.0.iter().chain([&self.other]).map(|count| share(*count) * share(*count)).sum();
        let repeated = self.repeats as f64 / total.saturating_sub(1) as f64;
        (total > 1 && by_chance < 1.0).then(|| (repeated.min(1.0) - by_chance) / (1.0 - by_chance))
    }
}

/// Counts texts of one feature as they pass.
#[derive(Debug, Clone)]
pub struct CategoryRecorder {
    categories: Vec<String>,
    statistics: CategoryStatistics,
    /// The place of the latest text; one behind the known ones for all others.
    latest: Option<usize>,
}

impl CategoryRecorder {
    /// A recorder for the categories of a reference.
    pub fn new(mut categories: Vec<String>) -> Self {
        categories.truncate(super::counts::MAX_COUNTS);
        let statistics = CategoryStatistics::empty(categories.len());
        Self { categories, statistics, latest: None }
    }

    /// Counts one text; the empty text is missing.
    pub fn observe(&mut self, value: &str) {
        if value.is_empty() {
            self.statistics.missing += 1;
            return;
        }
        let known = self.categories.iter().position(|known| known == value);
        match known {
            Some(index) => self.statistics.known.increment(index),
            None => self.statistics.other += 1,
        }
        let place = known.unwrap_or(self.categories.len());
        self.statistics.repeats += u64::from(self.latest.replace(place) == Some(place));
    }

    /// Hands out what was counted and starts anew.
    pub fn take(&mut self) -> CategoryStatistics {
        std::mem::replace(&mut self.statistics, CategoryStatistics::empty(self.categories.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(texts: impl IntoIterator<Item = &'static str>) -> CategoryStatistics {
        let mut recorder = CategoryRecorder::new(vec!["n".into(), "s".into()]);
        texts.into_iter().for_each(|text| recorder.observe(text));
        recorder.take()
    }

    #[test]
    fn repeats_are_counted_over_missing_and_unknown_texts() {
        let counted = counted(["n", "n", "", "n", "s", "west", "east", ""]);
        assert_eq!((counted.known.0, counted.other, counted.missing), (vec![3, 1], 2, 2));
        assert_eq!(counted.repeats, 3);
    }

    #[test]
    fn long_runs_depend_on_each_other_and_a_fair_coin_does_not() {
        let runs = (0..1000).map(|k| if k / 50 % 2 == 0 { "n" } else { "s" });
        assert!(counted(runs).lag1().is_some_and(|r| (r - 0.96).abs() < 0.01), "{:?}", counted(["n"]));
        let turns = (0..1000).map(|k| if k % 2 == 0 { "n" } else { "s" });
        assert!(counted(turns).lag1().is_some_and(|r| r < -0.99));
        let coin = (0..1000).map(|k| if k % 4 < 2 { "n" } else { "s" });
        assert!(counted(coin).lag1().is_some_and(|r| r.abs() < 0.01));
        assert_eq!(counted(["n"; 9]).lag1(), None);
        assert_eq!(counted([]).lag1(), None);
    }
}
