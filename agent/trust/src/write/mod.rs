//! The writing side: build metadata, sign it, publish it.
//!
//! The owner keeps the root and targets keys and works on files: [`Root`] and [`Targets`] are read, changed, signed
//! (by as many people as the threshold needs, one after the other) and written. The fleet server keeps only the
//! timestamp and snapshot keys, and a [`Repository`]: it checks what the owner signed, and publishes it.
//!
//! It never invents an expiry and reads no clock: times are arguments. It does not store private keys; see
//! [`SigningKey`](crate::SigningKey).
//!
//! Modules: `signed` (a payload with its signatures), `root`, `targets`, `online` (snapshot and timestamp),
//! `repository` (the folder that is served).

mod online;
mod repository;
mod root;
mod signed;
mod targets;

pub use self::online::{
    Meta, Snapshot, SnapshotBody, Timestamp, TimestampBody, sign_snapshot, sign_timestamp,
};
pub use self::repository::{OnlineKeys, Periods, Repository};
pub use self::root::{Root, RootBody, TopRole};
pub use self::signed::{Payload, Signed};
pub use self::targets::{Delegation, Targets, TargetsBody};

/// The version of the TUF specification that written metadata follows.
pub const SPEC_VERSION: &str = "1.0.31";

/// The field of a timestamp that says when it was signed; clients raise their time floor by it.
pub const ISSUED: &str = "x-dunlin-issued";

/// A time as metadata writes it: UTC, whole seconds.
pub(crate) fn whole_seconds(time: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(time.as_second()).unwrap_or(time)
}
