//! One connection, from CONNECT to its end. The one module that names the MQTT library.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use dunlin_protocol::{
    Channel, DeviceId, Message as _,
    message::{Command, Desired, MAX_BYTES, State},
};
use rumqttc::{
    Outgoing, TlsConfiguration, Transport,
    v5::{
        AsyncClient, Event, EventLoop, Incoming, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{ConnAck, LastWill, PubAck, PubAckReason, Publish, PublishProperties, SubscribeReasonCode},
        },
    },
};
use tokio::sync::{Notify, watch};

use super::{
    Agent, Config, Health,
    flight::{Cargo, Flight, PACKET_IDS},
};
use crate::{identity::Identity, spool::Spool};

/// Bytes of an MQTT publish beside topic and payload, generously.
const PUBLISH_HEAD: usize = 64;

/// What a connection needs.
pub struct Parts {
    /// The device's name.
    pub device: DeviceId,
    /// Broker and TLS.
    pub identity: Arc<Identity>,
    /// Times.
    pub config: Config,
    /// Records to deliver.
    pub spool: Arc<Spool>,
    /// The rest of the agent.
    pub agent: Arc<dyn Agent>,
    /// Wakes when the state changed.
    pub changed: Arc<Notify>,
    /// For status.
    pub health: Arc<Health>,
    /// False while there is no network (simulated weather).
    pub weather: watch::Receiver<bool>,
}

/// Why a connection ended.
#[derive(Debug)]
pub enum End {
    /// The network, the broker or the weather.
    Lost(anyhow::Error),
    /// A goodbye was asked for.
    Goodbye,
}

/// Runs one connection. `up` is called after the broker accepted it.
pub async fn run(parts: &Parts, goodbye: impl Future<Output = ()>, up: impl FnOnce()) -> End {
    let (client, mut events) = match connect(parts) {
        Ok(made) => made,
        Err(error) => return End::Lost(error),
    };
    let mut goodbye = pin!(goodbye);
    let mut weather = parts.weather.clone();
    let mut session: Option<Session<'_>> = None;
    let mut up = Some(up);
    let mut report = tokio::time::interval(Duration::from_secs(parts.config.report_seconds));
    report.tick().await;
    let mut leaving = false;
    loop {
        // The poll is never dropped half-way: a cancelled poll could lose a packet that it had taken over.
        let mut poll = pin!(events.poll());
        let event = loop {
            tokio::select! {
                event = &mut poll => break event,
                () = &mut goodbye, if !leaving => {
                    leaving = true;
                    match &mut session {
                        Some(session) => session.say_goodbye(),
                        None => return End::Goodbye,
                    }
                }
                () = turns_bad(&mut weather) => return End::Lost(anyhow::anyhow!("the network is away")),
                () = parts.spool.appended(), if session.is_some() => {
                    if let Some(session) = &mut session { session.send_records(); }
                }
                () = parts.changed.notified(), if session.is_some() => {
                    if let Some(session) = &mut session { session.want_state(); }
                }
                _ = report.tick(), if session.is_some() => match &mut session {
                    Some(session) if session.asked > 0 => {
                        return End::Lost(anyhow::anyhow!("the broker does not answer our subscriptions"));
                    }
                    Some(session) => session.want_state(),
                    None => {}
                }
            }
        };
        let event = match event {
            Ok(event) => event,
            Err(_) if leaving => return End::Goodbye,
            // The library's errors repeat their source.
            Err(error) => return End::Lost(anyhow::Error::msg(error.to_string())),
        };
        match (event, &mut session) {
            (Event::Incoming(Incoming::ConnAck(accepted)), None) => {
                let mut fresh = Session::new(parts, client.clone(), &accepted);
                if let Err(error) = fresh.begin() {
                    return End::Lost(error);
                }
                session = Some(fresh);
                if let Some(up) = up.take() {
                    up();
                }
            }
            (Event::Outgoing(Outgoing::Disconnect), _) => return End::Goodbye,
            (event, Some(session)) => {
                if let Err(error) = session.hear(event) {
                    return End::Lost(error);
                }
            }
            _ => {}
        }
    }
}

/// Resolves when the network goes away; never where nothing can take it away.
async fn turns_bad(weather: &mut watch::Receiver<bool>) {
    if weather.wait_for(|fair| !fair).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn connect(parts: &Parts) -> anyhow::Result<(AsyncClient, EventLoop)> {
    let server = &parts.identity.server;
    let mut options = MqttOptions::new(parts.device.as_str(), &server.mqtt_host, server.mqtt_port);
    let tls = crate::identity::tls::enrolled(&parts.identity)?;
    options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))));
    options.set_keep_alive(Duration::from_secs(u64::from(parts.config.keep_alive_seconds.max(5))));
    options.set_clean_start(true);
    options.set_connection_timeout(10);
    options.set_outgoing_inflight_upper_limit(PACKET_IDS);
    options.set_receive_maximum(Some(PACKET_IDS));
    options.set_max_packet_size(Some((MAX_BYTES + 1024) as u32));
    let topic = Channel::State.of(&parts.device);
    let will = last_will(parts.agent.state()).encode()?;
    options.set_last_will(LastWill::new(topic, will, QoS::AtLeastOnce, true, None));
    Ok(AsyncClient::new(options, usize::from(PACKET_IDS) + 8))
}

/// What the broker says when the device is gone. It is written at the start of the connection, so it says nothing
/// that could change during it: the store keeps the last report.
fn last_will(state: State) -> State {
    State {
        online: false,
        at_ms: 0,
        serving: Vec::new(),
        updates: Vec::new(),
        spool: None,
        system: None,
        modes: Vec::new(),
        ..state
    }
}

/// A connection that the broker accepted.
struct Session<'a> {
    parts: &'a Parts,
    client: AsyncClient,
    flight: Flight,
    /// Position of the last record handed over on this connection.
    sent: Option<u64>,
    /// Subscriptions that are not granted yet.
    asked: usize,
    state_due: bool,
    replies: Vec<(String, Option<Bytes>, Vec<u8>)>,
    max_packet: usize,
}

impl<'a> Session<'a> {
    fn new(parts: &'a Parts, client: AsyncClient, accepted: &ConnAck) -> Self {
        let properties = accepted.properties.as_ref();
        let receive_maximum = properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        let max_packet = properties.and_then(|p| p.max_packet_size).map_or(usize::MAX, |n| n as usize);
        let flight = Flight::new(receive_maximum);
        let (sent, asked, replies) = (None, 0, Vec::new());
        Self { parts, client, flight, sent, asked, state_due: true, replies, max_packet }
    }

    /// Asks for the device's own topics. Publishing begins when they are granted: until then their packet ids are
    /// open, which with a small receive maximum are those of the first publishes.
    fn begin(&mut self) -> anyhow::Result<()> {
        for channel in [Channel::Desired, Channel::Command] {
            self.client.try_subscribe(channel.of(&self.parts.device), QoS::AtLeastOnce)?;
            self.asked += 1;
        }
        Ok(())
    }

    fn want_state(&mut self) {
        self.state_due = true;
        self.pump();
    }

    fn send_records(&mut self) {
        self.pump();
    }

    /// Hands over what fits: the state first, then replies, then records in order.
    fn pump(&mut self) {
        if self.asked > 0 {
            return;
        }
        if self.state_due && self.flight.room() > 0 {
            self.state_due = false;
            self.publish_state(true);
        }
        while self.flight.room() > 0 && !self.replies.is_empty() {
            let (topic, correlation_data, bytes) = self.replies.remove(0);
            let properties = PublishProperties { correlation_data, ..PublishProperties::default() };
            if self
                .client
                .try_publish_with_properties(topic, QoS::AtLeastOnce, false, bytes, properties)
                .is_ok()
            {
                self.flight.hand(Cargo::Reply);
            }
        }
        while self.flight.room() > 0 {
            let entries = self.parts.spool.pending(self.sent, self.flight.room());
            if entries.is_empty() {
                return;
            }
            for entry in entries {
                let topic = entry.channel.of(&self.parts.device);
                let length = topic.len() + entry.bytes.len() + PUBLISH_HEAD;
                if length > self.max_packet {
                    tracing::warn!(record = ?entry.record, length, limit = self.max_packet,
                        "a record is larger than the broker takes; it is dropped and counted");
                    self.parts.spool.discard(entry.position, "the broker takes smaller packets only");
                } else if self.client.try_publish(topic, QoS::AtLeastOnce, false, entry.bytes).is_ok() {
                    self.flight.hand(Cargo::Record(entry.position));
                } else {
                    return;
                }
                self.sent = Some(entry.position);
            }
        }
    }

    fn publish_state(&mut self, online: bool) {
        let mut state = self.parts.agent.state();
        state.online = online;
        let topic = Channel::State.of(&self.parts.device);
        let bytes = match state.encode() {
            Ok(bytes) => bytes,
            Err(error) => return tracing::error!(%error, "the state cannot be encoded"),
        };
        match self.client.try_publish(topic, QoS::AtLeastOnce, true, bytes) {
            Ok(()) => self.flight.hand(Cargo::State),
            Err(_) => self.state_due = true,
        }
    }

    fn say_goodbye(&mut self) {
        self.publish_state(false);
        if let Err(error) = self.client.try_disconnect() {
            tracing::debug!(%error, "no goodbye could be said");
        }
    }

    fn hear(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Outgoing(Outgoing::Publish(packet_id)) => self.flight.number(packet_id),
            Event::Incoming(Incoming::PubAck(ack)) => self.acknowledged(&ack)?,
            Event::Incoming(Incoming::Publish(publish)) => self.received(&publish),
            Event::Incoming(Incoming::SubAck(ack)) => {
                let refused = |code: &&SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
                if let Some(code) = ack.return_codes.iter().find(refused) {
                    anyhow::bail!("the broker refuses our own topics: {code:?}; is the device revoked?");
                }
                self.asked = self.asked.saturating_sub(1);
                self.pump();
            }
            _ => {}
        }
        Ok(())
    }

    fn acknowledged(&mut self, ack: &PubAck) -> anyhow::Result<()> {
        match (self.flight.acknowledge(ack.pkid), ack.reason) {
            (Some(Cargo::Record(position)), PubAckReason::Success | PubAckReason::NoMatchingSubscribers) => {
                self.parts.spool.acknowledge(position);
                self.parts.health.change(|report| report.delivered += 1);
            }
            // The server will never take this one: keeping it would hold up all others.
            (Some(Cargo::Record(position)), PubAckReason::PayloadFormatInvalid) => {
                tracing::error!("the server cannot read a record of ours; it is dropped and counted");
                self.parts.spool.discard(position, "the server cannot read them");
            }
            (Some(_), PubAckReason::Success | PubAckReason::NoMatchingSubscribers) | (None, _) => {}
            // Whoever asked gets no answer; that is no reason to leave.
            (Some(Cargo::Reply), reason) => tracing::warn!(?reason, "the broker refused a reply"),
            (Some(_), reason) => anyhow::bail!("the broker refused a message: {reason:?}"),
        }
        self.pump();
        Ok(())
    }

    fn received(&mut self, publish: &Publish) {
        let topic = String::from_utf8_lossy(&publish.topic);
        let Ok((device, channel)) = dunlin_protocol::topic::parse(&topic) else { return };
        if device != self.parts.device {
            return;
        }
        match channel {
            Channel::Desired if publish.payload.is_empty() => {}
            Channel::Desired => match Desired::decode(&publish.payload) {
                Ok(desired) => self.parts.agent.desired(desired),
                Err(error) => tracing::error!(error = %error, "a desired state was refused"),
            },
            Channel::Command => self.answer(publish),
            _ => {}
        }
    }

    fn answer(&mut self, publish: &Publish) {
        let command = match Command::decode(&publish.payload) {
            Ok(command) => command,
            Err(error) => return tracing::warn!(%error, "a command was refused"),
        };
        let reply = self.parts.agent.command(command);
        let properties = publish.properties.as_ref();
        let Some(topic) = properties.and_then(|p| p.response_topic.clone()) else { return };
        // A broker may end the connection of a device that speaks elsewhere than under its own name.
        if topic != Channel::Reply.of(&self.parts.device) {
            let shown: String = topic.chars().take(80).collect();
            return tracing::warn!(
                topic = shown,
                "a command asks for its reply elsewhere than on our reply topic"
            );
        }
        match reply.encode() {
            Ok(bytes) if self.replies.len() < super::flight::WINDOW => {
                self.replies.push((topic, properties.and_then(|p| p.correlation_data.clone()), bytes));
                self.pump();
            }
            Ok(_) => tracing::warn!("too many commands at once; one stays unanswered"),
            Err(error) => tracing::error!(%error, "a reply cannot be encoded"),
        }
    }
}
