//! From rows to an evaluated ONNX model with its preprocessing inside.
//!
//! Pure: no I/O but readers over bytes, no clock, seeded shuffles. It trains the linear family through `linfa`,
//! judges against a baseline and a champion, and packs a bundle; it does not load ONNX, sign, store or decide
//! what is rolled out.
//!
//! In reading order: [`dataset`] is the table, [`request`] the job; `table` and `split` say which rows and columns
//! count; `preprocessing`, `linear` and `pipeline` are the model; `search` and [`metrics`] judge it, `compare`
//! against others; `onnx`, `spec`, `reference`, `golden` and `card` are what it becomes, `package` the bundle of
//! them; `train` walks the whole way and [`report`] tells of it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod card;
mod compare;
pub mod dataset;
mod error;
mod findings;
mod golden;
mod linear;
pub mod metrics;
mod onnx;
mod package;
mod pipeline;
mod preprocessing;
mod reference;
pub mod report;
pub mod request;
mod search;
mod spec;
mod split;
mod table;
mod train;

pub use compare::{Champion, ChampionAnswers};
pub use dataset::{DataError, Dataset, Limits};
pub use error::TrainError;
pub use metrics::Scores;
pub use report::{Progress, Report};
pub use request::{Imputation, Split, SplitKind, TrainRequest};
pub use train::{Trained, holdout, train};
