//! The server's voice to devices: what they should run, commands and their answers, and goodbye.
//!
//! [`Link`] is the seam: [`embedded`] speaks through the broker in this process; an external broker would be another
//! implementation. The room does not decide what a device should run (fleet) and stores nothing.

pub mod embedded;

use std::time::Duration;

use async_trait::async_trait;
use dunlin_protocol::{
    DeviceId, MessageError,
    message::{Command, Desired, Reply},
};

pub use embedded::EmbeddedLink;

/// Why a device did not answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It is not connected.
    #[error("device {0} is not connected; try again when it is online")]
    Offline(DeviceId),
    /// It did not answer in time.
    #[error("device {device} did not answer within {} s; it may be busy or just have lost its link", waited.as_secs())]
    Timeout {
        /// Which device.
        device: DeviceId,
        /// How long was waited.
        waited: Duration,
    },
    /// The message cannot be written or read.
    #[error("the message cannot be used")]
    Message(#[from] MessageError),
}

/// How the server speaks to devices.
#[async_trait]
pub trait Link: Send + Sync + 'static {
    /// Publishes what the device should run, retained. The caller has stored it before.
    ///
    /// # Errors
    /// If it cannot be written as a message.
    async fn publish_desired(&self, device: &DeviceId, desired: &Desired) -> Result<(), LinkError>;

    /// Asks the device and waits for its answer, at most `timeout`.
    ///
    /// # Errors
    /// [`LinkError::Offline`], [`LinkError::Timeout`] or [`LinkError::Message`].
    async fn request(
        &self,
        device: &DeviceId,
        command: &Command,
        timeout: Duration,
    ) -> Result<Reply, LinkError>;

    /// Hands in an answer that came from a device. One that nobody waits for is dropped.
    fn answer(&self, device: &DeviceId, correlation: &[u8], reply: Reply);

    /// Whether the device is connected now.
    fn is_connected(&self, device: &DeviceId) -> bool;

    /// Ends all connections of a device at once.
    fn cut(&self, device: &DeviceId);
}
