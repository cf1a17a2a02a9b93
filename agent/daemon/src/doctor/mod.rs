//! What is right with this board and what is not: one line for each thing, with a cure where there is need of one.
//!
//! Looks only: nothing changes, neither here nor at the server, and the device's session at the broker is left alone.
//! Works before enrolment and without root, and then says what it could not see.
//! Modules: [`line`] is what is said; [`examination`] the order of it. [`folder`], [`time`], [`network`], [`server`],
//! [`identity`], [`model`] and [`board`] each read a part of the world and judge it, in functions apart.

pub mod board;
pub mod examination;
pub mod folder;
pub mod identity;
pub mod line;
pub mod model;
pub mod network;
pub mod server;
pub mod time;

use std::time::Duration;

pub use examination::examine;
pub use line::{Line, Verdict};

/// Longest time that one line may take.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// What to do where this user may not look.
const AS_ROOT: &str = "this user may not look there; to see it, run: sudo dunlin-agent doctor";
