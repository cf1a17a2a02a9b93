//! Models: bundles that were pushed or trained, what the probe found in them, and which of them are signed.
//!
//! ```text
//! bytes ─► intake ─► objects (content-addressed) ─► probe (child process) ─► candidate | rejected
//! owner's targets.json ─► release: every new target must be a probed candidate ─► release
//! ```
//! The room neither signs targets (only the owner's key can) nor decides which device runs what.
//!
//! Reading order: [`config`], [`error`], [`objects`], [`child`] (a process with limits), [`probe`], [`boards`] (who
//! has the memory), [`wrap`] (a bare ONNX file becomes a bundle), [`rows`], [`intake`], [`release`] (TUF).

pub mod boards;
pub mod child;
pub mod config;
pub mod error;
pub mod intake;
pub mod objects;
pub mod probe;
pub mod release;
pub mod rows;
pub mod wrap;

pub use boards::Board;
pub use config::Config;
pub use error::RegistryError;
pub use intake::{Registry, Upload};
pub use objects::Objects;
pub use probe::Prober;
