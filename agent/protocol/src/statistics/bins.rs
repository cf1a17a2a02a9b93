//! Fixed bins from a model's own training data.

use serde::{Deserialize, Serialize};

/// Quantile bins per feature, before heavy values get bins of their own.
pub const QUANTILE_BINS: usize = 64;

/// Most edges that are read from outside.
pub const MAX_EDGES: usize = 513;

/// Half-open bins `[edge k, edge k+1)` between the smallest and the largest training value, with one place
/// below and one above. A value that holds more than a bin's share of the training data has the bin
/// `[v, next float after v)` to itself, so that a column that was constant in training is not lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Edges")]
pub struct Bins {
    edges: Vec<f32>,
    /// Shift for the sums, near the mean, so that variances do not cancel.
    center: f64,
}

#[derive(Deserialize)]
struct Edges {
    edges: Vec<f32>,
    center: f64,
}

impl TryFrom<Edges> for Bins {
    type Error = &'static str;

    fn try_from(read: Edges) -> Result<Self, Self::Error> {
        if read.edges.len() < 2 || read.edges.len() > MAX_EDGES {
            return Err("bins need 2 to 513 edges");
        }
        if !read.edges.is_sorted_by(|a, b| a < b) || !read.center.is_finite() {
            return Err("bin edges must rise and the centre must be finite");
        }
        Ok(Self { edges: read.edges, center: read.center })
    }
}

/// Where a value falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Smaller than any training value.
    Below,
    /// In the bin of this index.
    Bin(usize),
    /// Larger than any training value.
    Above,
}

impl Bins {
    /// Bins from training values; `None` when none of them is finite.
    pub fn from_values(values: &[f32]) -> Option<Self> {
        let mut sorted: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let center = sorted.iter().map(|v| f64::from(*v)).sum::<f64>() / sorted.len() as f64;
        let share = sorted.len().div_ceil(QUANTILE_BINS).max(2);
        // -0.0 and 0.0 are one value to a model.
        let zero = |v: f32| if v == 0.0 { 0.0 } else { v };
        let mut edges: Vec<f32> = (0..QUANTILE_BINS)
            .filter_map(|k| sorted.get(k * sorted.len() / QUANTILE_BINS))
            .map(|v| zero(*v))
            .collect();
        edges.extend([zero(first), zero(last).next_up()]);
        for run in sorted.chunk_by(|a, b| a == b).filter(|run| run.len() >= share) {
            edges.extend([zero(run[0]), zero(run[0]).next_up()]);
        }
        edges.retain(|edge| edge.is_finite());
        edges.sort_unstable_by(f32::total_cmp);
        edges.dedup();
        (edges.len() >= 2).then_some(Self { edges, center })
    }

    /// Number of bins, without the places below and above.
    pub fn len(&self) -> usize {
        self.edges.len() - 1
    }

    /// Never true: there is at least one bin.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Edges, rising, one more than bins.
    pub fn edges(&self) -> &[f32] {
        &self.edges
    }

    /// The shift that sums are taken about.
    pub fn center(&self) -> f64 {
        self.center
    }

    /// Where a finite value falls.
    pub fn place(&self, value: f32) -> Place {
        match self.edges.partition_point(|edge| *edge <= value) {
            0 => Place::Below,
            n if n == self.edges.len() => Place::Above,
            n => Place::Bin(n - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_column_has_one_bin_of_its_own() {
        let bins = Bins::from_values(&[7.0; 500]).unwrap();
        assert_eq!(bins.len(), 1);
        assert_eq!(bins.place(7.0), Place::Bin(0));
        assert_eq!(bins.place(7.0_f32.next_up()), Place::Above);
        assert_eq!(bins.place(7.0_f32.next_down()), Place::Below);
    }

    #[test]
    fn a_heavy_value_does_not_share_its_bin() {
        let mut values: Vec<f32> = (0..1000).map(|k| k as f32 / 10.0).collect();
        values.extend([50.05; 200]);
        let bins = Bins::from_values(&values).unwrap();
        let Place::Bin(heavy) = bins.place(50.05) else { panic!("outside") };
        assert_ne!(bins.place(50.0), Place::Bin(heavy));
        assert_ne!(bins.place(50.1), Place::Bin(heavy));
    }

    #[test]
    fn every_training_value_is_inside() {
        let values: Vec<f32> = (0..977).map(|k| ((k * 7919) % 977) as f32 - 400.0).collect();
        let bins = Bins::from_values(&values).unwrap();
        assert!(values.iter().all(|v| matches!(bins.place(*v), Place::Bin(_))));
        assert!(bins.len() >= QUANTILE_BINS && bins.len() <= QUANTILE_BINS + 2);
        assert!(Bins::from_values(&[f32::NAN]).is_none());
    }
}
