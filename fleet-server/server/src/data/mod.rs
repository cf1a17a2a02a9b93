//! Datasets: CSV files that models are trained on, kept under their own hash.
//!
//! A file is read once when it comes, so that one that cannot be trained on is refused with its line, and never
//! changes afterwards. The room does not train (see `jobs`).
//!
//! Reading order: [`rows`], [`datasets`].

pub mod datasets;
pub mod rows;

pub use datasets::{DatasetError, Datasets};
pub use rows::DatasetRow;
