//! From inputs to answers: every inference of this agent passes here, from a source or from the local API.
//!
//! Runs the answering model (and a challenger beside it), remembers answers for late labels, offers them to
//! sampling. Does not read rows and does not close windows.
//! Modules: [`recent`] remembers; [`truth`] compares an answer with its label; [`infer`] does it; [`feed`] draws
//! rows from a source.

pub mod feed;
pub mod infer;
pub mod recent;
pub mod truth;

pub use infer::Pipeline;
