//! Publishes on their way from the broker to the rest of the server.

use std::{future::Future, pin::Pin};

use dunlin_protocol::{Channel, topic};
use mqtt5::broker::{BrokerEventHandler, ClientPublishEvent, PublishAction};

use super::{Incoming, SharedHooks};

/// Offers each publish to the hooks. The broker waits for the answer before it acknowledges.
pub(super) struct Forward(pub(super) SharedHooks);

impl BrokerEventHandler for Forward {
    fn on_client_publish<'a>(
        &'a self,
        event: ClientPublishEvent,
    ) -> Pin<Box<dyn Future<Output = PublishAction> + Send + 'a>> {
        Box::pin(async move {
            // The gate let the topic through, so it reads and is the sender's own.
            let Ok((device, channel)) = topic::parse(&event.topic) else { return PublishAction::Handled };
            let correlation = event.correlation_data;
            self.0.published(Incoming { device, channel, payload: event.payload, correlation }).await;
            // Only the state is retained for others to read; the rest has arrived.
            if channel == Channel::State { PublishAction::Continue } else { PublishAction::Handled }
        })
    }
}
