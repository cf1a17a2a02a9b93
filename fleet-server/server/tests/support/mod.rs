//! A server's device side on real parts: database, certificate authority, broker, ingest; and devices with rumqttc.

#![allow(dead_code)]

use std::{net::IpAddr, sync::Arc, time::Duration};

use dunlin_protocol::{
    Channel, DeviceId, Message,
    message::{ClockQuality, RecordId, State, Window},
    statistics::{LabelStatistics, LatencyHistogram, OutputStatistics},
};
use dunlin_server::{
    access::{
        self, Access, Authority, Public,
        authority::today,
        enrol,
        tokens::{Kind, NewToken},
    },
    audit::Audit,
    broker::{self, Broker},
    error::ApiError,
    fleet::Known,
    folder::Folder,
    ingest::{Ingest, Live},
    init,
    link::{EmbeddedLink, Link},
    storage::Store,
};
use rcgen::{CertificateParams, DnType, KeyPair};
use rumqttc::{
    TlsConfiguration, Transport,
    v5::{
        AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions,
        mqttbytes::v5::{LastWill, PubAckReason, SubscribeReasonCode},
    },
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

pub use rumqttc::v5::mqttbytes::QoS;

/// Longest that anything in a test may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Rig {
    pub folder: tempfile::TempDir,
    pub store: Store,
    pub access: Arc<Access>,
    pub link: Arc<dyn Link>,
    pub live: Live,
    pub ca_pem: String,
    pub port: u16,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl Rig {
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("fleet");
        let arguments = init::Arguments { folder: path.clone(), host: vec![], owner_keys: None, json: true };
        tokio::task::spawn_blocking(move || init::make_folder(&arguments).unwrap()).await.unwrap();
        let folder = Folder::new(path);
        let authority = Arc::new(Authority::load(&folder.ca_certificate(), &folder.ca_key()).unwrap());
        let own = authority.sign_server(vec!["localhost".into()], today()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = authority.mqtt_tls(&own).unwrap();
        let broker = Broker::new(broker::Parts { listener, tls, max_connections: 100 });
        let store = Store::open(&folder.database()).unwrap();
        let link: Arc<dyn Link> = Arc::new(EmbeddedLink::new(broker.post()));
        let live = Live::default();
        let ca_pem = authority.pem().to_owned();
        let access = Arc::new(Access::new(access::Parts {
            config: access::Config::default(),
            public: Public {
                url: "https://localhost:8443".into(),
                mqtt_host: "localhost".into(),
                mqtt_port: port,
                tls: true,
            },
            authority,
            store: store.clone(),
            audit: Audit::new(store.clone()),
            link: Arc::clone(&link),
            folder,
        }));
        let ingest = Arc::new(Ingest::new(store.clone(), live.clone(), Arc::clone(&link)));
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(broker.run(ingest, shutdown.clone()));
        Self { folder: place, store, access, link, live, ca_pem, port, shutdown, serving }
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.serving).await.expect("the broker ends").unwrap();
    }

    pub async fn token(&self, wish: NewToken) -> String {
        self.access.create_token("test", &wish).await.unwrap().token
    }

    pub async fn enrol_with(
        &self,
        token: &str,
        name: &str,
        csr_pem: String,
    ) -> Result<enrol::Answer, ApiError> {
        let request = enrol::Request { token: token.into(), device: name.into(), csr_pem };
        self.access.enrol(IpAddr::from([127, 0, 0, 1]), request).await
    }

    /// A device with a certificate of this server.
    pub async fn device(&self, name: &str) -> Identity {
        let token = self.token(enrol_token(None)).await;
        let key = KeyPair::generate().unwrap();
        let answer = self.enrol_with(&token, name, csr(name, &key)).await.unwrap();
        Identity {
            device: name.parse().unwrap(),
            certificate_pem: answer.certificate_pem,
            key_pem: key.serialize_pem(),
        }
    }

    pub fn options(&self, who: &Identity) -> Options {
        Options { client: who.device.to_string(), will: None }
    }

    /// Connects; the error is the broker's or TLS's refusal.
    pub async fn connect(&self, who: &Identity, options: Options) -> Result<Client, ConnectionError> {
        let mut mqtt = MqttOptions::new(options.client, "localhost", self.port);
        mqtt.set_keep_alive(Duration::from_secs(5)).set_clean_start(true);
        mqtt.set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::new(tls(who, &self.ca_pem)))));
        if let Some(topic) = options.will {
            mqtt.set_last_will(LastWill::new(topic, goodbye(1), QoS::AtLeastOnce, true, None));
        }
        let (sender, events) = AsyncClient::new(mqtt, 10);
        let mut client = Client { sender, events };
        client.until(|incoming| matches!(incoming, Incoming::ConnAck(_)).then_some(())).await?;
        Ok(client)
    }

    pub async fn count(&self, table: &'static str) -> i64 {
        self.store
            .read(move |db| db.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)))
            .await
            .unwrap()
    }

    /// Messages of events with this code.
    pub async fn noticed(&self, code: &'static str) -> Vec<String> {
        self.store
            .read(move |db| {
                db.prepare("SELECT message FROM events WHERE code = ?1")?
                    .query_map([code], |row| row.get(0))?
                    .collect()
            })
            .await
            .unwrap()
    }

    /// What is known of a device.
    pub async fn known(&self, device: &DeviceId) -> Known {
        let id = device.to_string();
        let row = self.store.read(move |db| dunlin_server::storage::devices::get(db, &id)).await;
        Known::new(row.unwrap().unwrap()).unwrap()
    }

    /// Waits until the database says so.
    pub async fn until_online(&self, device: &DeviceId, online: bool) {
        let mut changes = self.live.listen();
        let wait = async {
            loop {
                let id = device.to_string();
                let row = self.store.read(move |db| dunlin_server::storage::devices::get(db, &id)).await;
                if row.unwrap().unwrap().online == online {
                    return;
                }
                changes.recv().await.unwrap();
            }
        };
        timeout(PATIENCE, wait).await.expect("the device's presence is known");
    }
}

#[derive(Clone)]
pub struct Identity {
    pub device: DeviceId,
    pub certificate_pem: String,
    pub key_pem: String,
}

pub struct Options {
    pub client: String,
    pub will: Option<String>,
}

pub struct Client {
    pub sender: AsyncClient,
    pub events: EventLoop,
}

impl Client {
    /// Polls until `wanted` finds something in what comes in.
    pub async fn until<T>(&mut self, wanted: impl Fn(&Incoming) -> Option<T>) -> Result<T, ConnectionError> {
        let wait = async {
            loop {
                let Event::Incoming(incoming) = self.events.poll().await? else { continue };
                if let Some(found) = wanted(&incoming) {
                    return Ok(found);
                }
            }
        };
        timeout(PATIENCE, wait).await.expect("an answer comes")
    }

    pub async fn publish(&mut self, topic: &str, payload: Vec<u8>) -> PubAckReason {
        self.sender.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
        self.until(|incoming| match incoming {
            Incoming::PubAck(ack) => Some(ack.reason),
            _ => None,
        })
        .await
        .unwrap()
    }

    pub async fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        self.sender.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        self.until(|incoming| match incoming {
            Incoming::SubAck(ack) => ack.return_codes.first().cloned(),
            _ => None,
        })
        .await
        .unwrap()
    }
}

fn tls(who: &Identity, ca_pem: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let certificate = CertificateDer::from_pem_slice(who.certificate_pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(who.key_pem.as_bytes()).unwrap();
    ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap()
}

pub fn csr(name: &str, key: &KeyPair) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serialize_request(key).unwrap().pem().unwrap()
}

pub fn enrol_token(device: Option<&str>) -> NewToken {
    NewToken {
        kind: Kind::Enrol,
        uses: Some(1),
        expires_seconds: Some(60),
        label: String::new(),
        device: device.map(|name| name.parse().unwrap()),
    }
}

pub fn window(sequence: u64) -> Window {
    Window {
        record: RecordId { boot: 7, sequence },
        model: "rain-1.0.0".parse().unwrap(),
        start_ms: 1_700_000_000_000,
        duration_ms: 60_000,
        merged: 1,
        clock: ClockQuality::Synchronised,
        inferences: 60,
        failures: 0,
        inputs: vec![],
        outputs: OutputStatistics::Uncounted,
        latency: LatencyHistogram::default(),
        labels: LabelStatistics::default(),
    }
}

pub fn state(online: bool, boot: u64) -> State {
    State {
        online,
        boot,
        agent: "0.1.0".into(),
        at_ms: 0,
        clock: ClockQuality::Unknown,
        generation: 0,
        serving: vec![],
        updates: vec![],
        spool: None,
        system: None,
        modes: vec![],
    }
}

pub fn goodbye(boot: u64) -> Vec<u8> {
    state(false, boot).encode().unwrap()
}

pub fn topic(who: &Identity, channel: Channel) -> String {
    channel.of(&who.device)
}

/// A certificate for `name` by an authority that is not the server's.
pub fn stranger(name: &str) -> Identity {
    let (ca, ca_key) = Authority::create("Other", today()).unwrap();
    let key = KeyPair::generate().unwrap();
    let device: DeviceId = name.parse().unwrap();
    let signed =
        Authority::from_pem(ca, &ca_key).unwrap().sign_device(&device, &csr(name, &key), today(), 1).unwrap();
    Identity { device, certificate_pem: signed.pem, key_pem: key.serialize_pem() }
}
