//! What devices may and may not do, against the real broker.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, Instant};

use dunlin_protocol::{
    Channel, Message,
    message::{Command, Desired, Reply, State},
};
use rumqttc::v5::{
    ConnectionError, Incoming,
    mqttbytes::v5::{ConnectReturnCode, PubAckReason, PublishProperties, SubscribeReasonCode},
};
use support::{Options, QoS, Rig, goodbye, state, stranger, topic, window};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_publishes_on_its_own_channels_only() {
    let rig = Rig::start().await;
    let (me, other) = (rig.device("me").await, rig.device("other").await);
    let mut client = rig.connect(&me, rig.options(&me)).await.unwrap();
    let payload = window(0).encode().unwrap();
    assert_eq!(client.publish(&topic(&me, Channel::Window), payload.clone()).await, PubAckReason::Success);
    assert_eq!(rig.count("windows").await, 1);
    for refused in [
        topic(&other, Channel::Window),
        topic(&other, Channel::State),
        topic(&me, Channel::Desired),
        topic(&me, Channel::Command),
        "dunlin/v1/me".into(),
        "elsewhere".into(),
    ] {
        assert_eq!(client.publish(&refused, payload.clone()).await, PubAckReason::NotAuthorized, "{refused}");
    }
    assert_eq!(rig.count("windows").await, 1);
    assert!(rig.noticed("refused").await[0].contains("that is the name of other"));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_reads_what_is_under_its_own_name_only() {
    let rig = Rig::start().await;
    let (me, other) = (rig.device("me").await, rig.device("other").await);
    let mut client = rig.connect(&me, rig.options(&me)).await.unwrap();
    let own = [Channel::Desired, Channel::Command, Channel::State].map(|channel| topic(&me, channel));
    for own in own.into_iter().chain(["dunlin/v1/me/#".into()]) {
        let granted = client.subscribe(&own).await;
        assert_eq!(granted, SubscribeReasonCode::Success(QoS::AtLeastOnce), "{own}");
    }
    for refused in [
        topic(&other, Channel::Desired),
        "dunlin/v1/+/desired".into(),
        "dunlin/v1/+/#".into(),
        "#".into(),
        Channel::Window.shared_filter(),
    ] {
        let answer = client.subscribe(&refused).await;
        assert!(!matches!(answer, SubscribeReasonCode::Success(_)), "{refused}: {answer:?}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_id_and_another_devices_will_are_refused() {
    let rig = Rig::start().await;
    let (me, other) = (rig.device("me").await, rig.device("other").await);
    let refused = [
        Options { client: "other".into(), will: None },
        Options { client: "me".into(), will: Some(topic(&other, Channel::State)) },
        Options { client: "me".into(), will: Some(topic(&me, Channel::Window)) },
    ];
    for options in refused {
        let shown = format!("{} {:?}", options.client, options.will);
        match rig.connect(&me, options).await {
            Err(ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized)) => {}
            Err(error) => panic!("{shown}: {error:?}"),
            Ok(_) => panic!("{shown} was let in"),
        }
    }
    let own = Options { client: "me".into(), will: Some(topic(&me, Channel::State)) };
    assert!(rig.connect(&me, own).await.is_ok());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_refused() {
    let rig = Rig::start().await;
    let me = rig.device("me").await;
    let forged = stranger("me");
    assert!(rig.connect(&forged, rig.options(&forged)).await.is_err());
    assert!(rig.connect(&me, rig.options(&me)).await.is_ok());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_is_cut_off_within_a_second_and_stays_out() {
    let rig = Rig::start().await;
    let me = rig.device("me").await;
    let mut client = rig.connect(&me, rig.options(&me)).await.unwrap();
    let start = Instant::now();
    rig.access.revoke_device("test", &me.device).await.unwrap();
    assert!(client.until(|_| None::<()>).await.is_err(), "the connection ends");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(rig.connect(&me, rig.options(&me)).await.is_err());
    assert!(rig.noticed("refused").await.iter().any(|what| what.contains("revoked")));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_should_run_waits_for_it() {
    let rig = Rig::start().await;
    let me = rig.device("me").await;
    let desired = Desired { generation: 3, at_ms: 1, models: vec![] };
    rig.link.publish_desired(&me.device, &desired).await.unwrap();
    let mut client = rig.connect(&me, rig.options(&me)).await.unwrap();
    client.sender.subscribe(topic(&me, Channel::Desired), QoS::AtLeastOnce).await.unwrap();
    let payload = client
        .until(|incoming| match incoming {
            Incoming::Publish(publish) => Some(publish.payload.clone()),
            _ => None,
        })
        .await
        .unwrap();
    assert_eq!(Desired::decode(&payload).unwrap(), desired);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_its_own_reply_and_silence_ends_in_time() {
    let rig = Rig::start().await;
    let me = rig.device("me").await;
    let command = Command { name: "ping".into(), arguments: Default::default() };
    let asked = rig.link.request(&me.device, &command, Duration::from_secs(1)).await;
    assert!(asked.unwrap_err().to_string().contains("not connected"));
    let mut client = rig.connect(&me, rig.options(&me)).await.unwrap();
    client.subscribe(&topic(&me, Channel::Command)).await;
    let silent = rig.link.request(&me.device, &command, Duration::from_millis(200)).await;
    assert!(silent.unwrap_err().to_string().contains("did not answer"));
    let device = async {
        // The first question was never answered; the second is.
        let mut asked = Vec::new();
        while asked.len() < 2 {
            asked.push(
                client
                    .until(|incoming| match incoming {
                        Incoming::Publish(publish) => publish.properties.clone(),
                        _ => None,
                    })
                    .await
                    .unwrap(),
            );
        }
        let last = asked.pop().unwrap();
        let reply = Reply { ok: true, message: "pong".into(), values: Default::default() };
        let properties = PublishProperties { correlation_data: last.correlation_data, ..Default::default() };
        let to = last.response_topic.unwrap();
        let payload = reply.encode().unwrap();
        client
            .sender
            .publish_with_properties(to, QoS::AtLeastOnce, false, payload, properties)
            .await
            .unwrap();
        client.until(|incoming| matches!(incoming, Incoming::PubAck(_)).then_some(())).await.unwrap();
    };
    let (reply, ()) = tokio::join!(rig.link.request(&me.device, &command, support::PATIENCE), device);
    assert_eq!(reply.unwrap().message, "pong");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_record_sent_twice_is_stored_once() {
    let rig = Rig::start().await;
    let me = rig.device("me").await;
    let mut client = rig.connect(&me, rig.options(&me)).await.unwrap();
    let own = topic(&me, Channel::Window);
    for sequence in [0, 0, 1, 0, 1] {
        let payload = window(sequence).encode().unwrap();
        assert_eq!(client.publish(&own, payload).await, PubAckReason::Success);
    }
    assert_eq!((rig.count("windows").await, rig.count("arrivals").await), (2, 2));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_broke_between_commit_and_acknowledgement_stores_the_record_once() {
    let rig = Rig::start().await;
    let me = rig.device("me").await;
    let own = topic(&me, Channel::Window);
    let mut client = rig.connect(&me, rig.options(&me)).await.unwrap();
    client.sender.publish(own.as_str(), QoS::AtLeastOnce, false, window(0).encode().unwrap()).await.unwrap();
    // The record is sent and committed; the acknowledgement is never read.
    let mut told = rig.live.listen();
    while rig.count("windows").await == 0 {
        tokio::select! {
            _ = client.events.poll() => {}
            _ = told.recv() => {}
        }
    }
    drop(client);
    let mut again = rig.connect(&me, rig.options(&me)).await.unwrap();
    assert_eq!(again.publish(&own, window(0).encode().unwrap()).await, PubAckReason::Success);
    assert_eq!(rig.count("windows").await, 1);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_is_noted_and_does_not_hold_up_the_next() {
    let rig = Rig::start().await;
    let me = rig.device("me").await;
    let mut client = rig.connect(&me, rig.options(&me)).await.unwrap();
    let own = topic(&me, Channel::Window);
    for bad in [vec![], b"not cbor".to_vec(), vec![0x9b; 9], vec![0x81; 100_000]] {
        assert_eq!(client.publish(&own, bad).await, PubAckReason::Success);
    }
    assert_eq!(client.publish(&own, window(0).encode().unwrap()).await, PubAckReason::Success);
    assert_eq!((rig.count("windows").await, rig.noticed("message-unreadable").await.len()), (1, 1));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_follows_the_connection_and_an_old_goodbye_changes_nothing() {
    let rig = Rig::start().await;
    let me = rig.device("me").await;
    let mut client = rig.connect(&me, rig.options(&me)).await.unwrap();
    rig.until_online(&me.device, true).await;
    let own = topic(&me, Channel::State);
    client.publish(&own, state(true, 2).encode().unwrap()).await;
    client.publish(&own, goodbye(1)).await;
    rig.until_online(&me.device, true).await;
    drop(client);
    rig.until_online(&me.device, false).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_gone_is_offline_in_its_state_too_and_those_who_listen_hear_it() {
    let rig = Rig::start().await;
    let me = rig.device("me").await;
    let will = Options { will: Some(topic(&me, Channel::State)), ..rig.options(&me) };
    let mut client = rig.connect(&me, will).await.unwrap();
    let mut said = state(true, 2);
    said.modes = vec!["no-clock".into()];
    client.publish(&topic(&me, Channel::State), said.encode().unwrap()).await;
    let mut told = rig.live.listen();
    drop(client);
    let heard = tokio::time::timeout(support::PATIENCE, async {
        loop {
            if let Some(message) = told.recv().await.unwrap().message {
                return State::decode(&message.payload).unwrap();
            }
        }
    });
    let heard = heard.await.expect("its end is told");
    assert_eq!((heard.online, &heard.modes), (false, &said.modes));
    let known = rig.known(&me.device).await;
    assert_eq!(known.state.map(|state| (state.online, state.modes)), Some((false, said.modes.clone())));

    // A goodbye in order says no more than that either.
    let mut client = rig.connect(&me, rig.options(&me)).await.unwrap();
    client.publish(&topic(&me, Channel::State), said.encode().unwrap()).await;
    client.publish(&topic(&me, Channel::State), goodbye(2)).await;
    let known = rig.known(&me.device).await;
    assert_eq!(known.state.map(|state| (state.online, state.modes)), Some((false, said.modes)));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_ends_those_that_the_device_left_open_and_keeps_its_subscriptions() {
    let rig = Rig::start().await;
    let me = rig.device("me").await;
    let mut first = rig.connect(&me, rig.options(&me)).await.unwrap();
    first.subscribe(&topic(&me, Channel::Desired)).await;
    let mut second = rig.connect(&me, rig.options(&me)).await.unwrap();
    second.subscribe(&topic(&me, Channel::Desired)).await;
    assert!(first.until(|_| None::<()>).await.is_err(), "the earlier one ends");
    let desired = Desired { generation: 1, at_ms: 1, models: vec![] };
    rig.link.publish_desired(&me.device, &desired).await.unwrap();
    let arrived = second.until(|incoming| matches!(incoming, Incoming::Publish(_)).then_some(())).await;
    assert!(arrived.is_ok());
    rig.until_online(&me.device, true).await;
    rig.stop().await;
}
