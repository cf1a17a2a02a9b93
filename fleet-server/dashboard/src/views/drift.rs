//! `/drift?model=` and `/drift/{model}/{feature}`.

use super::{Frame, Marker, Verdict};

/// `/drift?model=&hours=`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DriftPage {
    /// Heading and navigation.
    pub frame: Frame,
    /// Model names that can be looked at.
    pub models: Vec<String>,
    /// The one that is looked at; `None` when there is none.
    pub model: Option<String>,
    /// How many hours back the page looks; stands in the URL as `hours`.
    pub hours: u32,
    /// What the drift room says, the most important first.
    pub sentences: Vec<String>,
    /// Feature names in the model's order: one row of the heat map each.
    pub features: Vec<String>,
    /// The cells, in any order. Columns are the distinct `(start_ms, end_ms)`.
    pub cells: Vec<DriftCell>,
    /// Rollouts, marked on the time axis.
    pub markers: Vec<Marker>,
}

/// One feature in one span of time, over all devices.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DriftCell {
    /// Begin.
    pub start_ms: i64,
    /// End.
    pub end_ms: i64,
    /// Feature name.
    pub feature: String,
    /// Population stability index of all devices together; `None` with too few values.
    pub psi: Option<f64>,
    /// The limit it is held against.
    pub limit: Option<f64>,
    /// What the statistics say.
    pub verdict: Verdict,
    /// Devices on which it drifts.
    pub devices_drifting: usize,
    /// Devices that sent values.
    pub devices_seen: usize,
    /// Values.
    pub n: u64,
}

/// `/drift/{model}/{feature}?from=&to=`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DriftCellPage {
    /// Heading and navigation.
    pub frame: Frame,
    /// Model name.
    pub model: String,
    /// Feature name.
    pub feature: String,
    /// Physical unit.
    pub unit: Option<String>,
    /// The span that is looked at: begin.
    pub from_ms: i64,
    /// The span that is looked at: end.
    pub to_ms: i64,
    /// What the statistics say.
    pub verdict: Verdict,
    /// One sentence that answers "one device or all?" and "since when?".
    pub sentence: String,
    /// Window against reference.
    pub bars: Bars,
    /// Values in the window.
    pub n: u64,
    /// Share of missing values, in the reference and in the window.
    pub missing: (f64, f64),
    /// Tests by the names people know, each with its limit.
    pub statistics: Vec<Statistic>,
    /// The devices concerned, those that drift most first.
    pub devices: Vec<DriftDevice>,
}

/// Counts in the bins of the reference.
#[derive(Debug, Clone, PartialEq)]
pub enum Bars {
    /// A number column.
    Numeric {
        /// Rising edges, one more than bins.
        edges: Vec<f64>,
        /// Reference counts (or shares), one per bin.
        reference: Vec<f64>,
        /// Window counts, one per bin.
        window: Vec<f64>,
        /// Window values below the smallest training value.
        below: f64,
        /// Window values above the largest training value.
        above: f64,
    },
    /// A text column.
    Category {
        /// Categories.
        labels: Vec<String>,
        /// Reference counts (or shares), one per category.
        reference: Vec<f64>,
        /// Window counts, one per category.
        window: Vec<f64>,
        /// Window texts that training did not have.
        other: f64,
    },
}

impl Default for Bars {
    fn default() -> Self {
        Bars::Category { labels: Vec::new(), reference: Vec::new(), window: Vec::new(), other: 0.0 }
    }
}

/// A statistic against its limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistic {
    /// Its name: `PSI`, `KS`, `Jensen-Shannon`, …
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its limit for this many values.
    pub limit: Option<f64>,
}

/// One device in a cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DriftDevice {
    /// Its name.
    pub id: String,
    /// What the statistics say.
    pub verdict: Verdict,
    /// Its own population stability index.
    pub psi: Option<f64>,
    /// Its limit.
    pub limit: Option<f64>,
    /// Values.
    pub n: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Share of missing values.
    pub missing: f64,
    /// Since when it drifts.
    pub since_ms: Option<i64>,
    /// Shares over the bins of [`DriftCellPage::bars`], for its small picture; may be empty.
    pub shares: Vec<f64>,
}
