//! Speaks through the broker that runs in this process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use dunlin_protocol::{
    DeviceId, Message,
    message::{Command, Desired, Reply},
};
use tokio::sync::oneshot;

use super::{Link, LinkError};
use crate::broker::Post;

type Question = (DeviceId, [u8; 16]);

/// The link through the embedded broker.
pub struct EmbeddedLink {
    post: Post,
    waiting: Mutex<HashMap<Question, oneshot::Sender<Reply>>>,
}

impl EmbeddedLink {
    /// A link over this post.
    pub fn new(post: Post) -> Self {
        Self { post, waiting: Mutex::default() }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<Question, oneshot::Sender<Reply>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Link for EmbeddedLink {
    async fn publish_desired(&self, device: &DeviceId, desired: &Desired) -> Result<(), LinkError> {
        self.post.retain_desired(device, desired.encode()?).await;
        Ok(())
    }

    async fn request(
        &self,
        device: &DeviceId,
        command: &Command,
        timeout: Duration,
    ) -> Result<Reply, LinkError> {
        if !self.post.is_connected(device) {
            return Err(LinkError::Offline(device.clone()));
        }
        let payload = command.encode()?;
        let question = (device.clone(), rand::random::<[u8; 16]>());
        let (sender, answer) = oneshot::channel();
        self.waiting().insert(question.clone(), sender);
        let _forget = Forget { link: self, question: question.clone() };
        self.post.command(device, payload, question.1.to_vec()).await;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(reply)) => Ok(reply),
            _ => Err(LinkError::Timeout { device: device.clone(), waited: timeout }),
        }
    }

    fn answer(&self, device: &DeviceId, correlation: &[u8], reply: Reply) {
        let Ok(correlation) = <[u8; 16]>::try_from(correlation) else { return };
        if let Some(sender) = self.waiting().remove(&(device.clone(), correlation)) {
            // Who asked may have given up.
            drop(sender.send(reply));
        }
    }

    fn is_connected(&self, device: &DeviceId) -> bool {
        self.post.is_connected(device)
    }

    fn cut(&self, device: &DeviceId) {
        self.post.cut(device);
    }
}

/// Takes a question out when nobody waits for it any more.
struct Forget<'a> {
    link: &'a EmbeddedLink,
    question: Question,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.link.waiting().remove(&self.question);
    }
}
