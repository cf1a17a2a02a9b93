//! Run ONNX models and count what passes through.
//!
//! Pure but for the processor time: no files, no network, no clock. In reading order:
//! [`proto`](mod@proto) reads and bounds the protobuf, which `weight` weighs unread; [`spec`] says what goes in and out,
//! `labels` by which names; `rewrite`, `flex_attention`, `branches` and `loops` make the graph plain, [`narrow`] lifts
//! the element types that the engine lacks, `quantized` takes quantized operators apart, `convolutions` writes in kernels
//! of our own, `bounds` refuses what would take too much memory; [`operators`] are those that tract lacks; `prepare`
//! makes a plan of it, with `guard` around the engine and `lost` threads, and `late` one for each call where it must;
//! [`model`] loads and runs, [`trial`] once on made-up input; [`inspect`] tells what is in a file without running it;
//! [`answer`] reads outputs as people do; [`rows`] turns table rows into tensors; [`statistics`] counts; [`golden`]
//! compares with another runtime's outputs.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod answer;
mod bounds;
mod branches;
mod convert;
mod convolutions;
mod direct;
pub mod error;
mod flex_attention;
mod functions;
pub mod golden;
mod guard;
pub mod inspect;
mod labels;
mod late;
mod loops;
mod lost;
pub mod model;
pub mod narrow;
pub mod operators;
mod prepare;
pub mod proto;
mod quantized;
mod rewrite;
pub mod rows;
pub mod spec;
pub mod statistics;
mod steps;
pub mod trial;
mod weight;

pub use error::{LoadError, RunError, UnsupportedNode};
pub use inspect::{Inspection, inspect};
pub use model::Model;
