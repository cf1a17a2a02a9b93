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
}

impl CategoryStatistics {
    /// Values seen.
    pub fn seen(&self) -> u64 {
        self.known.total().saturating_add(self.other).saturating_add(self.missing)
    }

    /// Adds a later window's statistics of the same feature.
    pub fn merge(&mut self, later: &Self) -> Result<(), MergeError> {
        self.known.merge(&later.known)?;
        self.other = self.other.saturating_add(later.other);
        self.missing = self.missing.saturating_add(later.missing);
        Ok(())
    }
}

/// Counts texts of one feature as they pass.
#[derive(Debug, Clone)]
pub struct CategoryRecorder {
    categories: Vec<String>,
    statistics: CategoryStatistics,
}

impl CategoryRecorder {
    /// A recorder for the categories of a reference.
    pub fn new(mut categories: Vec<String>) -> Self {
        categories.truncate(super::counts::MAX_COUNTS);
        let statistics = CategoryStatistics { known: Counts::zeros(categories.len()), other: 0, missing: 0 };
        Self { categories, statistics }
    }

    /// Counts one text; the empty text is missing.
    pub fn observe(&mut self, value: &str) {
        if value.is_empty() {
            self.statistics.missing += 1;
        } else if let Some(index) = self.categories.iter().position(|known| known == value) {
            self.statistics.known.increment(index);
        } else {
            self.statistics.other += 1;
        }
    }

    /// Hands out what was counted and starts anew.
    pub fn take(&mut self) -> CategoryStatistics {
        let fresh = CategoryStatistics { known: Counts::zeros(self.categories.len()), other: 0, missing: 0 };
        std::mem::replace(&mut self.statistics, fresh)
    }
}
