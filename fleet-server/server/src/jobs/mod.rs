//! Long work in the background: training.
//!
//! ```text
//! queued ─► running ─► done
//!    ▲         └─────► failed
//!    └ the server stopped (twice at most)
//! ```
//! One job runs at a time, on a thread of its own; its state is in the database, so that a restart takes it up again.
//! A finished training leaves a candidate in the registry and nothing else: signing and rolling out are other steps.
//!
//! Reading order: [`rows`], [`request`], [`train`], [`runner`].

pub mod request;
pub mod rows;
pub mod runner;
pub mod train;

pub use request::TrainJob;
pub use rows::{JobRow, JobState};
pub use runner::{JobError, Jobs};
