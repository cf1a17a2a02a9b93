//! A broker that does as it is told: MQTT 5 over TLS, each packet by hand, so that its faults can be scripted.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::{sync::Arc, time::Duration};

use dunlin_agent::identity::{Identity, ServerAddress};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Longest wait for a packet.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Broker {
    listener: TcpListener,
    tls: TlsAcceptor,
    pub identity: Arc<Identity>,
}

/// What the broker grants in its CONNACK.
#[derive(Clone, Copy, Default)]
pub struct Grants {
    pub receive_maximum: Option<u16>,
    pub maximum_packet_size: Option<u32>,
}

pub struct Connection {
    stream: TlsStream<TcpStream>,
    /// The CONNECT packet's body.
    pub connect: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    pub packet_id: u16,
    pub topic: String,
    pub payload: Vec<u8>,
}

impl Broker {
    pub async fn start() -> Self {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca_der = ca.self_signed(&ca_key).unwrap().der().clone();
        let issuer = Issuer::new(ca, ca_key);
        let certify = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let certificate =
                CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
            (certificate.der().clone(), key)
        };
        let (certificate, key) = certify("localhost");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (device_certificate, device_key) = certify("station");
        let server = ServerAddress {
            device: "station".parse().unwrap(),
            server_url: String::new(),
            mqtt_host: "localhost".into(),
            mqtt_port: listener.local_addr().unwrap().port(),
            enrolled_ms: 0,
        };
        let identity =
            Identity { server, certificates: vec![device_certificate], key: device_key, ca: ca_der };
        Self { listener, tls: TlsAcceptor::from(Arc::new(config)), identity: Arc::new(identity) }
    }

    /// Takes the next connection and both of its subscriptions.
    pub async fn accept(&self, grants: Grants) -> Connection {
        let accept = async {
            let (tcp, _) = self.listener.accept().await.unwrap();
            let stream = self.tls.accept(tcp).await.unwrap();
            let mut connection = Connection { stream, connect: Vec::new() };
            let (kind, body) = connection.read().await.expect("the device sends CONNECT");
            assert_eq!(kind, 0x10);
            connection.connect = body;
            let mut properties = Vec::new();
            if let Some(maximum) = grants.receive_maximum {
                properties.push(0x21);
                properties.extend(maximum.to_be_bytes());
            }
            if let Some(maximum) = grants.maximum_packet_size {
                properties.push(0x27);
                properties.extend(maximum.to_be_bytes());
            }
            let mut body = vec![0, 0, properties.len() as u8];
            body.extend(properties);
            connection.write(0x20, &body).await;
            connection
        };
        tokio::time::timeout(PATIENCE, accept).await.expect("no connection came")
    }
}

impl Connection {
    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = self.stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((kind, body))
    }

    async fn write(&mut self, kind: u8, body: &[u8]) {
        let mut packet = vec![kind, body.len() as u8];
        packet.extend(body);
        // The device may have left meanwhile; the next read tells.
        if self.stream.write_all(&packet).await.is_ok() {
            let _ = self.stream.flush().await;
        }
    }

    /// Takes both subscriptions and grants them late, as a busy broker does: nothing may come before that.
    pub async fn grant_late(&mut self) {
        let mut asked = Vec::new();
        while asked.len() < 2 {
            let (kind, body) = self.read().await.expect("the device subscribes");
            assert_eq!(kind, 0x82, "only subscriptions come before the first is granted");
            asked.push([body[0], body[1]]);
        }
        let early = tokio::time::timeout(Duration::from_millis(200), self.read()).await;
        assert!(early.is_err(), "{early:?} came before the subscriptions were granted");
        for [high, low] in asked {
            self.write(0x90, &[high, low, 0, 1]).await;
        }
    }

    /// The next publish; subscriptions are granted and states acknowledged on the way. `None` when the device left.
    pub async fn next(&mut self) -> Option<Published> {
        loop {
            let published = self.next_of_any_kind().await?;
            if !published.topic.ends_with("/state") {
                return Some(published);
            }
            self.acknowledge(published.packet_id, 0).await;
        }
    }

    /// The next publish, states included.
    pub async fn next_of_any_kind(&mut self) -> Option<Published> {
        loop {
            let read = tokio::time::timeout(PATIENCE, self.read());
            let (kind, body) = read.await.expect("nothing came from the device")?;
            match kind {
                0x82 => self.write(0x90, &[body[0], body[1], 0, 1]).await,
                // The device's own acknowledgements.
                0x40 => {}
                0xC0 => self.write(0xD0, &[]).await,
                kind if kind & 0xF0 == 0x30 => {
                    assert_eq!(kind & 0x06, 0x02, "everything travels at QoS 1");
                    let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                    let topic = String::from_utf8(body[2..end].to_vec()).unwrap();
                    let packet_id = u16::from_be_bytes([body[end], body[end + 1]]);
                    let properties = usize::from(body[end + 2]);
                    return Some(Published {
                        packet_id,
                        topic,
                        payload: body[end + 3 + properties..].to_vec(),
                    });
                }
                0xE0 => return None,
                other => panic!("packet {other:#x} was not expected"),
            }
        }
    }

    /// A command that wants its reply on `response_topic`.
    pub async fn command(&mut self, topic: &str, response_topic: &str, payload: &[u8]) {
        let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
        let properties = [&[0x08][..], &text(response_topic)].concat();
        let body = [&text(topic)[..], &[0, 1, properties.len() as u8], &properties, payload].concat();
        self.write(0x32, &body).await;
    }

    /// PUBACK with a reason code (MQTT 5, section 3.4.2.1).
    pub async fn acknowledge(&mut self, packet_id: u16, reason: u8) {
        let [high, low] = packet_id.to_be_bytes();
        self.write(0x40, &[high, low, reason, 0]).await;
    }
}
