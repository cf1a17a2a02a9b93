//! The table of `acl`, as the broker asks it. One gate per connection, bound to one device.

use std::{future::Future, net::SocketAddr, pin::Pin};

use dunlin_protocol::DeviceId;
use mqtt5::{
    broker::{AuthProvider, auth::AuthResult},
    error::Result,
    packet::connect::ConnectPacket,
    types::ReasonCode,
};

use super::{SharedHooks, acl};

/// Answers for one connection.
pub(super) struct Gate {
    pub(super) device: DeviceId,
    pub(super) hooks: SharedHooks,
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Gate {
    async fn note<T>(&self, decision: std::result::Result<T, String>) -> bool {
        match decision {
            Ok(_) => true,
            Err(what) => {
                self.hooks.refused(&self.device, what).await;
                false
            }
        }
    }

    fn connect(&self, connect: &ConnectPacket) -> std::result::Result<(), String> {
        if connect.client_id != self.device.as_str() {
            let claimed: String = connect.client_id.chars().take(80).collect();
            return Err(format!("connect as client {claimed:?}: its certificate names {}", self.device));
        }
        connect.will.as_ref().map_or(Ok(()), |will| acl::may_will(&self.device, &will.topic))
    }
}

impl AuthProvider for Gate {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        _client: SocketAddr,
    ) -> Answer<'a, Result<AuthResult>> {
        Box::pin(async move {
            Ok(if self.note(self.connect(connect)).await {
                AuthResult::success_with_user(self.device.as_str())
            } else {
                AuthResult::fail_with_reason(
                    ReasonCode::NotAuthorized,
                    "client id and last will must be those of the certificate's device",
                )
            })
        })
    }

    fn authorize_publish<'a>(
        &'a self,
        _client: &str,
        _user: Option<&'a str>,
        topic: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(async move { self.note(acl::may_publish(&self.device, topic)).await })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client: &str,
        _user: Option<&'a str>,
        filter: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(async move { self.note(acl::may_subscribe(&self.device, filter)).await })
    }
}
