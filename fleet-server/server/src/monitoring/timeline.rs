//! Statistics over time in at most so many columns: when there are too many, neighbours merge and each column covers
//! twice the time. A demo of two minutes has columns of seconds, a fleet of years has days.

use std::collections::BTreeMap;

use dunlin_protocol::statistics::FeatureStatistics;

/// Width of a column at first, in milliseconds.
const FIRST_WIDTH_MS: i64 = 2_000;
/// Columns kept.
const KEPT: usize = 240;

/// One feature-wise sum per column.
#[derive(Debug, Clone)]
pub struct Timeline {
    width_ms: i64,
    columns: BTreeMap<i64, Vec<FeatureStatistics>>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width_ms: FIRST_WIDTH_MS, columns: BTreeMap::new() }
    }
}

/// Adds `later` where the shapes agree; what was counted against another reference is left out.
fn merge(sums: &mut [FeatureStatistics], later: &[FeatureStatistics]) {
    for (sum, later) in sums.iter_mut().zip(later) {
        if sum.merge(later).is_err() {
            tracing::debug!("statistics of another shape left out of the heat map");
        }
    }
}

impl Timeline {
    /// Adds the features of one window that begins at `start_ms`.
    pub fn add(&mut self, start_ms: i64, features: &[FeatureStatistics]) {
        let key = start_ms.div_euclid(self.width_ms);
        match self.columns.get_mut(&key) {
            Some(sums) => merge(sums, features),
            None => {
                self.columns.insert(key, features.to_vec());
            }
        }
        while self.columns.len() > KEPT {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        self.width_ms *= 2;
        for (key, features) in std::mem::take(&mut self.columns) {
            match self.columns.get_mut(&key.div_euclid(2)) {
                Some(sums) => merge(sums, &features),
                None => {
                    self.columns.insert(key.div_euclid(2), features);
                }
            }
        }
    }

    /// Forgets columns that end before `before_ms`.
    pub fn forget(&mut self, before_ms: i64) {
        let width = self.width_ms;
        self.columns.retain(|key, _| (key + 1) * width > before_ms);
    }

    /// The columns of `[from_ms, to_ms)` merged to at most `most`, each with its start and end.
    pub fn columns(&self, from_ms: i64, to_ms: i64, most: usize) -> Vec<(i64, i64, Vec<FeatureStatistics>)> {
        let mut coarse = self.clone();
        coarse.columns.retain(|key, _| (key + 1) * self.width_ms > from_ms && key * self.width_ms < to_ms);
        // Gaps are columns too: a heat map has an even time axis.
        while span(&coarse.columns) > most.max(1) {
            coarse.coarsen();
        }
        let width = coarse.width_ms;
        coarse.columns.into_iter().map(|(key, features)| (key * width, (key + 1) * width, features)).collect()
    }
}

fn span(columns: &BTreeMap<i64, Vec<FeatureStatistics>>) -> usize {
    match (columns.first_key_value(), columns.last_key_value()) {
        (Some((first, _)), Some((last, _))) => usize::try_from(last - first + 1).unwrap_or(usize::MAX),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin_protocol::statistics::{Bins, NumericRecorder};

    fn one(value: f32) -> Vec<FeatureStatistics> {
        let mut recorder = NumericRecorder::new(Bins::from_values(&[0.0, 1.0, 2.0]).unwrap());
        recorder.observe(value);
        vec![FeatureStatistics::Numeric(recorder.take())]
    }

    fn count(features: &[FeatureStatistics]) -> u64 {
        match &features[0] {
            FeatureStatistics::Numeric(numeric) => numeric.count,
            FeatureStatistics::Category(_) => 0,
        }
    }

    #[test]
    fn no_value_is_lost_however_often_columns_merge() {
        let mut timeline = Timeline::default();
        for k in 0..5000 {
            timeline.add(1_700_000_000_000 + k * 60_000, &one(1.0));
        }
        assert!(timeline.columns.len() <= KEPT);
        let columns = timeline.columns(0, i64::MAX, 60);
        assert!(columns.len() <= 60, "{}", columns.len());
        assert_eq!(columns.iter().map(|(_, _, f)| count(f)).sum::<u64>(), 5000);
    }

    #[test]
    fn a_period_gives_only_its_columns() {
        let mut timeline = Timeline::default();
        for k in 0..100 {
            timeline.add(k * 2_000, &one(1.0));
        }
        let columns = timeline.columns(100_000, 120_000, 60);
        assert_eq!(columns.iter().map(|(_, _, f)| count(f)).sum::<u64>(), 10);
        assert_eq!((columns[0].0, columns[9].1), (100_000, 120_000));
    }
}
