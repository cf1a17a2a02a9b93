//! What a device and the fleet server would be wrong to disagree on.
//!
//! Values only: no I/O, no clock, no randomness. In reading order:
//! [`names`] and [`topic`] say who speaks where; [`cbor`] and [`message`] say how and what;
//! [`tensor`] and [`spec`] describe a model's inputs and outputs, [`cell`] reads what tables hold of them;
//! [`statistics`] counts what passed
//! through it; [`update`] names the steps of a model update; [`bundle`] is the file a model travels in;
//! [`words`] make a key comparable by eye.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod bundle;
pub mod cbor;
pub mod cell;
pub mod message;
pub mod names;
pub mod spec;
pub mod statistics;
pub mod tensor;
pub mod topic;
pub mod update;
pub mod words;

pub use cbor::CborError;
pub use message::{Message, MessageError};
pub use names::{DeviceId, ModelName, ModelRef, ModelVersion, NameError, TargetName};
pub use topic::{Channel, TopicError};
