//! A flock of real agents in one process, in bad weather.
//!
//! Every station is a whole agent: the daemon's own library, with its own folder, identity, certificate, slice of the
//! readings, clock and network. Stations share nothing but the process. In reading order: [`flock`] enrols and starts
//! them, [`station`] is one of them, [`slice`](mod@slice) gives each its own years, [`clock`] and [`weather`] are what
//! is simulated, [`script`] breaks sensors on command. It does not simulate the agent, the broker or the server.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod clock;
pub mod flock;
pub mod script;
pub mod slice;
pub mod station;
pub mod weather;
