//! The Dunlin agent: runs models on a device, reports, and takes signed updates.
//!
//! In reading order: [`config`] and [`app`] put it together; [`identity`] says who it is; [`source`] → [`pipeline`] →
//! [`serving`] is the way of a row; [`telemetry`] and [`sampling`] write records into the [`spool`], which the
//! [`link`] delivers; [`update`] changes models; [`board`] is the device itself, [`doctor`] says what is wrong with it;
//! [`service`] is what systemd hears. [`durable`] and [`clock`] are what all of it stands on; [`commands`] are the verbs
//! of the command line.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod app;
pub mod board;
pub mod clock;
pub mod commands;
pub mod config;
pub mod doctor;
pub mod durable;
pub mod identity;
pub mod link;
pub mod pipeline;
pub mod sampling;
pub mod service;
pub mod serving;
pub mod source;
pub mod spool;
pub mod status;
pub mod telemetry;
pub mod update;

pub use app::{Agent, Running, Surroundings};
pub use clock::{Clock, SystemClock};
pub use config::Config;
pub use identity::enrol;
