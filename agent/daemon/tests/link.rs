//! The link against a broker that misbehaves: nothing is lost, nothing is forgotten before its acknowledgement.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;

use std::sync::{Arc, Mutex};

use broker::{Broker, Connection, Grants};
use dunlin_agent::{
    link::{Agent, Config, Health, connection::Parts, task},
    spool::{self, Spool},
};
use dunlin_protocol::{
    Channel, Message as _,
    message::{ClockQuality, Command, Desired, Reply, Serving, State},
};
use tempfile::TempDir;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const SUCCESS: u8 = 0x00;
const QUOTA_EXCEEDED: u8 = 0x97;
const NOT_AUTHORIZED: u8 = 0x87;
const PAYLOAD_FORMAT_INVALID: u8 = 0x99;

#[derive(Default)]
struct Stub {
    desired: Mutex<Vec<Desired>>,
}

impl Agent for Stub {
    fn state(&self) -> State {
        State {
            online: true,
            boot: 7,
            agent: "test".into(),
            at_ms: 1,
            clock: ClockQuality::Unknown,
            generation: 0,
            serving: vec![Serving {
                model: "rain-1.0.0".parse().unwrap(),
                since_ms: 1,
                compared: true,
                fallback: None,
            }],
            updates: vec![],
            spool: None,
            system: None,
            modes: vec!["bench".into()],
        }
    }

    fn desired(&self, desired: Desired) {
        self.desired.lock().unwrap().push(desired);
    }

    fn command(&self, _: Command) -> Reply {
        Reply { ok: true, message: String::new(), values: Default::default() }
    }
}

struct Device {
    spool: Arc<Spool>,
    weather: watch::Sender<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _folder: TempDir,
}

impl Device {
    fn start(broker: &Broker) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spool = Arc::new(Spool::open(folder.path(), &spool::Config::default(), 7));
        let (weather, receiver) = watch::channel(true);
        let parts = Parts {
            device: "station".parse().unwrap(),
            identity: broker.identity.clone(),
            config: Config { backoff_max_seconds: 1, ..Config::default() },
            spool: spool.clone(),
            agent: Arc::new(Stub::default()),
            changed: Arc::new(Notify::new()),
            health: Arc::new(Health::default()),
            weather: receiver,
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(task::run(parts, || 0, stop.clone()));
        Self { spool, weather, stop, task, _folder: folder }
    }

    fn record(&self, number: u8, length: usize) {
        self.spool.append(Channel::Event, |_| Ok(vec![number; length])).unwrap();
    }

    /// Waits until so many records are left.
    async fn left(&self, records: u64) {
        let wait = async {
            while self.spool.report().records != records {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(20), wait).await;
        assert!(waited.is_ok(), "{} records are left, not {records}", self.spool.report().records);
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn numbers(connection: &mut Connection, count: usize) -> Vec<(u16, u8)> {
    let mut found = Vec::new();
    for _ in 0..count {
        let published = connection.next().await.expect("the device stays");
        found.push((published.packet_id, published.payload[0]));
    }
    found
}

#[tokio::test]
async fn acknowledgements_in_any_order_deliver_everything_once() {
    let broker = Broker::start().await;
    let device = Device::start(&broker);
    for number in 0..200 {
        device.record(number, 20);
    }
    let mut connection = broker.accept(Grants::default()).await;
    let mut seen = Vec::new();
    while seen.len() < 200 {
        let mut open = numbers(&mut connection, 31.min(200 - seen.len())).await;
        // The youngest first: the worst order for a client that expects them in sequence.
        while let Some((packet_id, number)) = open.pop() {
            seen.push(number);
            connection.acknowledge(packet_id, SUCCESS).await;
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..200).collect::<Vec<u8>>());
    device.left(0).await;
    device.stop().await;
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_in_order_on_a_new_connection() {
    let broker = Broker::start().await;
    let device = Device::start(&broker);
    for number in 0..5 {
        device.record(number, 20);
    }
    let mut first = broker.accept(Grants::default()).await;
    let open = numbers(&mut first, 5).await;
    first.acknowledge(open[2].0, SUCCESS).await;
    device.left(4).await;
    drop(first);
    let mut second = broker.accept(Grants::default()).await;
    let again = numbers(&mut second, 4).await;
    assert_eq!(again.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [0, 1, 3, 4]);
    for (packet_id, _) in again {
        second.acknowledge(packet_id, SUCCESS).await;
    }
    device.left(0).await;
    device.stop().await;
}

#[tokio::test]
async fn a_refused_record_stays_and_is_offered_again() {
    let broker = Broker::start().await;
    let device = Device::start(&broker);
    device.record(1, 20);
    let mut first = broker.accept(Grants::default()).await;
    let open = numbers(&mut first, 1).await;
    first.acknowledge(open[0].0, QUOTA_EXCEEDED).await;
    assert!(first.next().await.is_none(), "the device should leave and come back later");
    let mut second = broker.accept(Grants::default()).await;
    let again = numbers(&mut second, 1).await;
    assert_eq!(again[0].1, 1);
    second.acknowledge(again[0].0, SUCCESS).await;
    device.left(0).await;
    device.stop().await;
}

#[tokio::test]
async fn a_record_that_the_server_can_never_read_does_not_hold_up_the_others() {
    let broker = Broker::start().await;
    let device = Device::start(&broker);
    device.record(1, 20);
    device.record(2, 20);
    let mut connection = broker.accept(Grants::default()).await;
    let open = numbers(&mut connection, 2).await;
    connection.acknowledge(open[0].0, PAYLOAD_FORMAT_INVALID).await;
    connection.acknowledge(open[1].0, SUCCESS).await;
    device.left(0).await;
    assert_eq!(device.spool.report().dropped, 1);
    device.stop().await;
}

#[tokio::test]
async fn a_record_larger_than_the_broker_takes_is_counted_and_left_out() {
    let broker = Broker::start().await;
    let device = Device::start(&broker);
    device.record(1, 2_000);
    device.record(2, 20);
    let grants = Grants { maximum_packet_size: Some(1_000), ..Grants::default() };
    let mut connection = broker.accept(grants).await;
    let open = numbers(&mut connection, 1).await;
    assert_eq!(open[0].1, 2);
    connection.acknowledge(open[0].0, SUCCESS).await;
    device.left(0).await;
    assert_eq!(device.spool.report().dropped, 1);
    device.stop().await;
}

#[tokio::test]
async fn no_more_is_in_flight_than_the_broker_takes() {
    let broker = Broker::start().await;
    let device = Device::start(&broker);
    for number in 0..20 {
        device.record(number, 20);
    }
    let grants = Grants { receive_maximum: Some(4), ..Grants::default() };
    let mut connection = broker.accept(grants).await;
    for expected in 0..20 {
        let one = numbers(&mut connection, 1).await[0];
        assert_eq!(one.1, expected);
        connection.acknowledge(one.0, SUCCESS).await;
    }
    device.left(0).await;
    device.stop().await;
}

#[tokio::test]
async fn a_broker_that_takes_one_publish_at_a_time_never_sees_an_open_packet_id_again() {
    for receive_maximum in [1, 2] {
        let broker = Broker::start().await;
        let device = Device::start(&broker);
        for number in 0..10 {
            device.record(number, 20);
        }
        let grants = Grants { receive_maximum: Some(receive_maximum), ..Grants::default() };
        let mut connection = broker.accept(grants).await;
        connection.grant_late().await;
        for expected in 0..10 {
            let published = connection.next().await.expect("the device stays");
            assert_eq!(published.payload[0], expected);
            connection.acknowledge(published.packet_id, SUCCESS).await;
        }
        device.left(0).await;
        // The goodbye waits for the acknowledgement of the state before it.
        let (_, last) = tokio::join!(device.stop(), connection.next());
        assert_eq!(last, None);
    }
}

#[tokio::test]
async fn a_refused_reply_or_a_foreign_response_topic_does_not_end_the_connection() {
    let broker = Broker::start().await;
    let device = Device::start(&broker);
    let mut connection = broker.accept(Grants::default()).await;
    let ping = Command { name: "ping".into(), arguments: Default::default() }.encode().unwrap();
    let asked = "dunlin/v1/station/command";
    for nowhere in ["", "other/topic", "dunlin/v1/other/reply", "+/#"] {
        connection.command(asked, nowhere, &ping).await;
    }
    connection.command(asked, "dunlin/v1/station/reply", &ping).await;
    let reply = connection.next().await.expect("the device stays");
    assert_eq!(reply.topic, "dunlin/v1/station/reply");
    connection.acknowledge(reply.packet_id, NOT_AUTHORIZED).await;
    device.record(1, 20);
    let open = numbers(&mut connection, 1).await;
    connection.acknowledge(open[0].0, SUCCESS).await;
    device.left(0).await;
    device.stop().await;
}

#[tokio::test]
async fn the_last_will_says_nothing_that_changes_while_the_connection_lasts() {
    let broker = Broker::start().await;
    let device = Device::start(&broker);
    let connection = broker.accept(Grants::default()).await;
    let text = String::from_utf8_lossy(&connection.connect).into_owned();
    assert!(text.contains("online") && !text.contains("rain") && !text.contains("bench"), "{text}");
    device.stop().await;
}

#[tokio::test]
async fn bad_weather_ends_the_connection_and_good_weather_brings_it_back() {
    let broker = Broker::start().await;
    let device = Device::start(&broker);
    let mut first = broker.accept(Grants::default()).await;
    let text = String::from_utf8_lossy(&first.connect).into_owned();
    assert!(text.contains("dunlin/v1/station/state"), "the last will speaks on the state topic");
    device.weather.send_replace(false);
    assert!(first.next().await.is_none());
    device.record(1, 20);
    device.weather.send_replace(true);
    let mut second = broker.accept(Grants::default()).await;
    let open = numbers(&mut second, 1).await;
    second.acknowledge(open[0].0, SUCCESS).await;
    device.left(0).await;
    device.stop().await;
}
