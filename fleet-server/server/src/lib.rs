//! The Dunlin fleet server: joins learning, monitoring, rollout and dashboard to the world.
//!
//! Rooms, in the order a message meets them: [`broker`] lets devices in; [`ingest`] stores what they say; [`link`]
//! speaks to them; [`fleet`] decides what they run; [`storage`] keeps it; [`registry`] holds models; [`data`] holds
//! datasets; [`jobs`] train; [`monitoring`] watches for drift; [`access`] says who may; [`audit`] remembers who did;
//! [`api`] shows it. Only [`app`] knows all rooms.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod access;
pub mod api;
pub mod app;
pub mod audit;
pub mod broker;
pub mod clock;
pub mod config;
pub mod data;
pub mod error;
pub mod fleet;
pub mod folder;
pub mod ingest;
pub mod init;
pub mod jobs;
pub mod link;
pub mod listen;
pub mod monitoring;
pub mod registry;
mod rooms;
pub mod storage;
