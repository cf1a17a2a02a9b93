//! Accepts connections, reads who they are from their certificates, and hands them to the broker.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dunlin_protocol::{DeviceId, message::MAX_BYTES};
use mqtt5::broker::{
    BrokerConfig, ResourceLimits, ResourceMonitor, client_handler::ClientHandler, router::MessageRouter,
    sys_topics::BrokerStats, tls_acceptor::TlsStreamWrapper, transport::BrokerTransport,
};
use ring::digest;
use tokio::{
    io::AsyncBufReadExt as _,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, broadcast},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{SharedHooks, certificate, gate::Gate, hook::Forward, post::Post};

/// Longest a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Longest that connections are given to end in order.
const GOODBYE: Duration = Duration::from_secs(3);
/// How often ended sessions are cleared away.
const SWEEP: Duration = Duration::from_secs(60);
/// Publishes of one device that may wait for their acknowledgement.
const IN_FLIGHT: u16 = 64;

/// What the broker is built from.
pub struct Parts {
    /// The bound listener.
    pub listener: TcpListener,
    /// TLS that demands a client certificate of our authority.
    pub tls: Arc<rustls::ServerConfig>,
    /// Most devices connected at the same time.
    pub max_connections: u32,
}

/// The broker, built and not yet accepting.
pub struct Broker {
    parts: Parts,
    router: Arc<MessageRouter>,
    connections: Connections,
}

/// What all connections share.
struct Shared {
    config: Arc<BrokerConfig>,
    router: Arc<MessageRouter>,
    stats: Arc<BrokerStats>,
    monitor: Arc<ResourceMonitor>,
    shutdown: broadcast::Sender<()>,
    hooks: SharedHooks,
    connections: Connections,
}

impl Broker {
    /// Wires the parts.
    pub fn new(parts: Parts) -> Self {
        let router = MessageRouter::new().with_retained_limits(0, MAX_BYTES);
        Self { parts, router: Arc::new(router), connections: Connections::default() }
    }

    /// The server's own way to speak through this broker.
    pub fn post(&self) -> Post {
        Post { router: Arc::clone(&self.router), connections: self.connections.clone() }
    }

    /// Accepts connections until `shutdown`, then ends them.
    pub async fn run(self, hooks: SharedHooks, shutdown: CancellationToken) {
        let (goodbye, _) = broadcast::channel(1);
        let shared = Arc::new(Shared {
            config: Arc::new(config(Arc::clone(&hooks), self.parts.max_connections)),
            router: self.router,
            stats: Arc::new(BrokerStats::new()),
            monitor: Arc::new(ResourceMonitor::new(limits(self.parts.max_connections))),
            shutdown: goodbye,
            hooks,
            connections: self.connections,
        });
        let acceptor = TlsAcceptor::from(self.parts.tls);
        let places = Arc::new(Semaphore::new(self.parts.max_connections as usize));
        let tasks = TaskTracker::new();
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            let (stream, peer) = tokio::select! {
                () = shutdown.cancelled() => break,
                _ = sweep.tick() => { shared.router.sweep_sessions().await; continue; }
                accepted = self.parts.listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection of a device could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!(%peer, limit = self.parts.max_connections, "too many devices are connected");
                continue;
            };
            let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
            tasks.spawn(async move {
                let _place = place;
                serve(&shared, &acceptor, stream, peer).await;
            });
        }
        // Nobody may be left to hear it.
        drop(shared.shutdown.send(()));
        tasks.close();
        if timeout(GOODBYE, tasks.wait()).await.is_err() {
            shared.connections.cut_all();
            tasks.wait().await;
        }
    }
}

fn config(hooks: SharedHooks, max_connections: u32) -> BrokerConfig {
    BrokerConfig {
        max_clients: max_connections as usize,
        // Fixed header, topic and properties come on top of the payload.
        max_packet_size: MAX_BYTES + 4096,
        maximum_qos: 1,
        topic_alias_maximum: 16,
        wildcard_subscription_available: true,
        shared_subscription_available: false,
        max_subscriptions_per_client: 8,
        max_retained_message_size: MAX_BYTES,
        client_channel_capacity: 64,
        server_receive_maximum: Some(IN_FLIGHT),
        session_expiry_interval: Duration::from_secs(3600),
        sys_topics_enabled: false,
        event_handler: Some(Arc::new(Forward(hooks))),
        ..BrokerConfig::default()
    }
}

/// The fleet's size is limited at the door; a device that floods is slowed by the commit it waits for.
fn limits(max_connections: u32) -> ResourceLimits {
    ResourceLimits {
        max_connections: max_connections as usize,
        max_connections_per_ip: max_connections as usize,
        max_message_rate_per_client: 0,
        max_bandwidth_per_client: 64 * 1024 * 1024,
        max_connection_rate: u32::MAX,
        ..ResourceLimits::default()
    }
}

async fn serve(shared: &Shared, acceptor: &TlsAcceptor, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "small packets may be delayed");
    }
    let mut stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::warn!(%peer, %error, "a device was refused in the TLS handshake"),
        Err(_) => return tracing::warn!(%peer, "a TLS handshake took too long"),
    };
    let (device, fingerprint) = match identify(&stream) {
        Ok(identity) => identity,
        Err(reason) => return tracing::warn!(%peer, %reason, "a device was refused"),
    };
    // Whoever only looks whether the broker is there, as `dunlin-agent doctor` does, ends no other connection by it.
    if !matches!(timeout(HANDSHAKE, stream.fill_buf()).await, Ok(Ok(first)) if !first.is_empty()) {
        return tracing::debug!(device.id = %device, "a device connected and said nothing");
    }
    if let Err(reason) = shared.hooks.admit(&device, &fingerprint).await {
        return shared.hooks.refused(&device, format!("connect: {reason}")).await;
    }
    attend(shared, device, stream, peer).await;
}

/// The name and the SHA-256 of the certificate that the handshake verified.
fn identify(stream: &TlsStream<TcpStream>) -> Result<(DeviceId, Vec<u8>), String> {
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let first = certificates.first().ok_or("it showed no certificate")?;
    Ok((certificate::device(first)?, digest::digest(&digest::SHA256, first).as_ref().to_vec()))
}

/// Lets the broker speak with the device until one of them, or we, end it.
async fn attend(shared: &Shared, device: DeviceId, stream: TlsStream<TcpStream>, peer: SocketAddr) {
    let handler = ClientHandler::new(
        BrokerTransport::tls(TlsStreamWrapper::new(stream)),
        peer,
        Arc::clone(&shared.config),
        Arc::clone(&shared.router),
        Arc::new(Gate { device: device.clone(), hooks: Arc::clone(&shared.hooks) }),
        None,
        Arc::clone(&shared.stats),
        Arc::clone(&shared.monitor),
        shared.shutdown.subscribe(),
    );
    let (place, cut) = shared.connections.enter(&device);
    if place.first {
        shared.hooks.connected(&device).await;
    }
    tokio::select! {
        ended = handler.run() => if let Err(error) = ended {
            tracing::debug!(device.id = %device, %error, "a connection ended");
        },
        () = cut.cancelled() => {
            tracing::info!(device.id = %device, "the connection was cut");
            // What a later connection subscribed to is that one's.
            if shared.connections.is_latest(&device, place.number) {
                shared.router.unregister_client(device.as_str()).await;
            }
        }
    }
    if shared.connections.leave(&device, place.number) {
        shared.hooks.disconnected(&device).await;
    }
}

/// Who is connected, and how to end it.
#[derive(Clone, Default)]
pub(super) struct Connections {
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    next: u64,
    devices: HashMap<DeviceId, Vec<(u64, CancellationToken)>>,
}

struct Place {
    number: u64,
    first: bool,
}

impl Connections {
    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device's connection from now on. Earlier ones are cut: a board that lost its network knows nothing of
    /// those that it left open.
    fn enter(&self, device: &DeviceId) -> (Place, CancellationToken) {
        let mut open = self.lock();
        open.next += 1;
        let (number, cut) = (open.next, CancellationToken::new());
        let there = open.devices.entry(device.clone()).or_default();
        there.iter().for_each(|(_, earlier)| earlier.cancel());
        there.push((number, cut.clone()));
        (Place { number, first: there.len() == 1 }, cut)
    }

    fn is_latest(&self, device: &DeviceId, number: u64) -> bool {
        let open = self.lock();
        open.devices.get(device).and_then(|there| there.last()).is_some_and(|(latest, _)| *latest == number)
    }

    /// Says whether it was the device's last.
    fn leave(&self, device: &DeviceId, number: u64) -> bool {
        let mut open = self.lock();
        let Some(there) = open.devices.get_mut(device) else { return false };
        there.retain(|(other, _)| *other != number);
        let last = there.is_empty();
        if last {
            open.devices.remove(device);
        }
        last
    }

    pub(super) fn of(&self, device: &DeviceId) -> Vec<CancellationToken> {
        let open = self.lock();
        open.devices.get(device).into_iter().flatten().map(|(_, cut)| cut.clone()).collect()
    }

    pub(super) fn devices(&self) -> usize {
        self.lock().devices.len()
    }

    fn cut_all(&self) {
        self.lock().devices.values().flatten().for_each(|(_, cut)| cut.cancel());
    }
}
