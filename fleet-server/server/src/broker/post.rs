//! The server's own way to speak through the broker, without a connection.

use std::sync::Arc;

use dunlin_protocol::{Channel, DeviceId};
use mqtt5::{QoS, broker::router::MessageRouter, packet::publish::PublishPacket};
use tokio_util::sync::CancellationToken;

use super::listener::Connections;

/// Publishes to devices and ends their connections.
#[derive(Clone)]
pub struct Post {
    pub(super) router: Arc<MessageRouter>,
    pub(super) connections: Connections,
}

impl Post {
    /// Leaves the device's desired state where it finds it at every subscription.
    pub async fn retain_desired(&self, device: &DeviceId, payload: Vec<u8>) {
        let packet =
            PublishPacket::new(Channel::Desired.of(device), payload, QoS::AtLeastOnce).with_retain(true);
        self.router.route_message(&packet, None).await;
    }

    /// Sends a command whose reply is to carry `correlation`.
    pub async fn command(&self, device: &DeviceId, payload: Vec<u8>, correlation: Vec<u8>) {
        let packet = PublishPacket::new(Channel::Command.of(device), payload, QoS::AtLeastOnce)
            .with_response_topic(Channel::Reply.of(device))
            .with_correlation_data(correlation);
        self.router.route_message(&packet, None).await;
    }

    /// Whether the device is connected now.
    pub fn is_connected(&self, device: &DeviceId) -> bool {
        !self.connections.of(device).is_empty()
    }

    /// Ends all connections of a device at once.
    pub fn cut(&self, device: &DeviceId) {
        self.connections.of(device).iter().for_each(CancellationToken::cancel);
    }

    /// Devices connected now.
    pub fn connected(&self) -> usize {
        self.connections.devices()
    }
}
