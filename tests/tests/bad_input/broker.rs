//! Devices that pretend to be others, and strangers, against the real broker.

use std::{fs, sync::Arc, time::Duration};

use dunlin_tests::{
    fleet::{Device, Fleet},
    programs::{Program, until},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rumqttc::{
    TlsConfiguration, Transport,
    v5::{
        AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{ConnectReturnCode, LastWill, PubAckReason, SubscribeReasonCode},
        },
    },
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::Value;
use tokio::time::timeout;

use super::{events, no_panic};

/// A certificate and its key, PEM; none for a client that shows nothing.
type Shown = Option<(String, String)>;

/// A server with two enrolled devices; the agent of `other` runs.
struct World {
    fleet: Fleet,
    server: Program,
    me: Device,
    _agent: Program,
}

struct Client {
    sender: AsyncClient,
    events: EventLoop,
}

impl World {
    fn new() -> Self {
        // A second installation finds the first; both are ring.
        drop(rustls::crypto::ring::default_provider().install_default());
        let fleet = Fleet::new();
        let server = fleet.serve();
        let me = fleet.enrol("me", "");
        let agent = fleet.enrol("other", "").start();
        let world = Self { fleet, server, me, _agent: agent };
        until("other is online", Duration::from_secs(30), || {
            let shown = world.other();
            if shown["status"] == "online" && shown["agent"].is_string() {
                Ok(())
            } else {
                Err(shown.to_string())
            }
        });
        world
    }

    /// What the server knows of the other device, without what changes by itself.
    fn other(&self) -> Value {
        let mut shown = self.fleet.ask(&["device", "show", "other"]);
        let lasting = ["id", "status", "agent", "words", "enrolled_ms", "model", "desired", "windows"];
        shown.as_object_mut().unwrap().retain(|name, _| lasting.contains(&name.as_str()));
        shown
    }

    /// My own certificate.
    fn mine(&self) -> Shown {
        let read = |name: &str| fs::read_to_string(self.me.folder.join("identity").join(name)).unwrap();
        Some((read("cert.pem"), read("key.pem")))
    }

    async fn connect(&self, shown: Shown, id: &str, will: Option<&str>) -> Result<Client, ConnectionError> {
        let ca = CertificateDer::from_pem_file(self.me.folder.join("identity/ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca).unwrap();
        let tls = ClientConfig::builder().with_root_certificates(roots);
        let tls = match shown {
            None => tls.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain =
                    CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
                tls.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                    .unwrap()
            }
        };
        let mut options = MqttOptions::new(id, "localhost", self.fleet.mqtt_port());
        options.set_keep_alive(Duration::from_secs(5)).set_clean_start(true);
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::new(tls))));
        if let Some(topic) = will {
            options.set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, true, None));
        }
        let (sender, events) = AsyncClient::new(options, 10);
        let mut client = Client { sender, events };
        client.until(|incoming| matches!(incoming, Incoming::ConnAck(_)).then_some(())).await?;
        Ok(client)
    }

    /// The server's log tells of it, the other device is as it was, and I may still do what is mine.
    async fn check(&mut self, other: &Value, words: &[&str]) {
        self.server.check().unwrap();
        let log = self.server.log();
        let told = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(log.lines().any(told), "no line has {words:?}:\n{log}");
        assert_eq!(self.other(), *other, "the other device is as it was");
        let mut own = self.connect(self.mine(), "me", Some("dunlin/v1/me/state")).await.unwrap();
        let granted = own.subscribe("dunlin/v1/me/desired").await;
        assert_eq!(granted, SubscribeReasonCode::Success(QoS::AtLeastOnce));
        no_panic(&self.fleet);
    }
}

impl Client {
    /// Polls until `wanted` finds something in what comes in.
    async fn until<T>(&mut self, wanted: impl Fn(&Incoming) -> Option<T>) -> Result<T, ConnectionError> {
        let wait = async {
            loop {
                let Event::Incoming(incoming) = self.events.poll().await? else { continue };
                if let Some(found) = wanted(&incoming) {
                    return Ok(found);
                }
            }
        };
        timeout(Duration::from_secs(20), wait).await.expect("an answer comes")
    }

    async fn publish(&mut self, topic: &str, payload: &str) -> PubAckReason {
        self.sender.publish(topic, QoS::AtLeastOnce, true, payload.to_owned()).await.unwrap();
        let acknowledged = |incoming: &Incoming| match incoming {
            Incoming::PubAck(acknowledgement) => Some(acknowledgement.reason),
            _ => None,
        };
        self.until(acknowledged).await.unwrap()
    }

    async fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        self.sender.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let answered = |incoming: &Incoming| match incoming {
            Incoming::SubAck(answer) => answer.return_codes.first().copied(),
            _ => None,
        };
        self.until(answered).await.unwrap()
    }
}

fn refused(attempt: Result<Client, ConnectionError>) {
    match attempt {
        Err(ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized)) => {}
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it was let in"),
    }
}

#[tokio::test]
async fn another_devices_client_id_and_last_will_are_refused() {
    let mut world = World::new();
    let before = world.other();
    refused(world.connect(world.mine(), "other", None).await);
    world.check(&before, &["connect as client", "other", "its certificate names me"]).await;
    refused(world.connect(world.mine(), "me", Some("dunlin/v1/other/state")).await);
    world.check(&before, &["last will", "dunlin/v1/other/state", "that is the name of other"]).await;
}

#[tokio::test]
async fn another_devices_topics_are_neither_written_nor_read() {
    let mut world = World::new();
    let before = world.other();
    let mut client = world.connect(world.mine(), "me", None).await.unwrap();
    for channel in ["state", "window", "event", "desired", "command"] {
        let topic = format!("dunlin/v1/other/{channel}");
        assert_eq!(client.publish(&topic, "{}").await, PubAckReason::NotAuthorized, "{topic}");
    }
    for filter in ["dunlin/v1/other/desired", "dunlin/v1/+/desired", "dunlin/v1/other/#", "#"] {
        let answer = client.subscribe(filter).await;
        assert!(!matches!(answer, SubscribeReasonCode::Success(_)), "{filter}: {answer:?}");
    }
    let own = client.subscribe("dunlin/v1/me/#").await;
    assert!(matches!(own, SubscribeReasonCode::Success(_)), "what is its own it may read: {own:?}");
    drop(client);
    world.check(&before, &["publish on dunlin/v1/other/state", "that is the name of other"]).await;
    world.check(&before, &["subscribe to dunlin/v1/other/desired", "under dunlin/v1/me/ only"]).await;
}

#[tokio::test]
async fn what_is_not_a_message_is_taken_off_the_line_and_told_of() {
    let mut world = World::new();
    let before = world.other();
    let mut client = world.connect(world.mine(), "me", None).await.unwrap();
    for channel in ["state", "window", "event"] {
        client.publish(&format!("dunlin/v1/me/{channel}"), "no CBOR").await;
    }
    drop(client);
    let told = events(&world.fleet, "message-unreadable");
    // The first of a kind is told of; a device that sends nothing else does not flood the server.
    assert!(told.first().is_some_and(|told| told.contains("state message cannot be read")), "{told:?}");
    world.check(&before, &["me"]).await;
}

#[tokio::test]
async fn certificates_that_the_server_did_not_sign_are_refused() {
    let mut world = World::new();
    let before = world.other();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "me");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = params.self_signed(&key).unwrap();

    // The foreign authority has the very name of the server's.
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Dunlin localhost");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let foreign = params.signed_by(&key, &authority).unwrap();

    let (own, foreign, key) = (own.pem(), foreign.pem(), key.serialize_pem());
    for shown in [Some((own, key.clone())), Some((foreign, key)), None] {
        let attempt = world.connect(shown, "me", None).await;
        assert!(attempt.is_err(), "a stranger was let in");
    }
    world.check(&before, &["127.0.0.1", "refused in the TLS handshake"]).await;
}
