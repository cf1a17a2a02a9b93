//! The distribution a model was trained on: what windows are compared with.

use serde::{Deserialize, Serialize};

use super::{Bins, CategoryStatistics, NumericStatistics, OutputStatistics};

/// How far a block of consecutive training rows is from the whole: seasons and slow waves that are not drift.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Rows per block.
    pub rows: u32,
    /// PSI against the whole that 95 % of the blocks stay below.
    pub psi_95: f64,
    /// The largest PSI of any block.
    pub psi_max: f64,
}

/// Training distribution of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureReference {
    /// A number column.
    Numeric {
        /// The bins that windows count into.
        bins: Bins,
        /// Training values counted into them.
        statistics: NumericStatistics,
        /// Spread of blocks of consecutive rows, by rising block length. Empty when rows have no order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        spread: Vec<Spread>,
    },
    /// A text column.
    Category {
        /// Known texts, in the order of the counts.
        categories: Vec<String>,
        /// Training values counted.
        statistics: CategoryStatistics,
        /// Spread of blocks of consecutive rows, by rising block length. Empty when rows have no order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        spread: Vec<Spread>,
    },
}

impl FeatureReference {
    /// How far blocks of consecutive training rows are from the whole, by rising block length.
    pub fn spread(&self) -> &[Spread] {
        match self {
            FeatureReference::Numeric { spread, .. } | FeatureReference::Category { spread, .. } => spread,
        }
    }
}

/// Training distribution of the model's own answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputReference {
    /// The model's answers on training rows that it was not fitted on, where there are such.
    pub statistics: OutputStatistics,
    /// Bins of a regression's answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<Bins>,
}

/// A bundle's `reference.cbor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Rows that were counted.
    pub rows: u64,
    /// One entry per feature, in the order of [`crate::spec::ModelSpec::features`].
    pub features: Vec<FeatureReference>,
    /// The model's answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<OutputReference>,
}
