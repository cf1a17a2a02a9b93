//! Live events arrive.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    http::Method,
};
use futures_util::StreamExt;

use super::house::House;
use crate::ingest::live::Kind;

/// The next line of data, or a panic after five seconds.
async fn line(body: &mut BodyDataStream) -> String {
    let wait = async {
        loop {
            let bytes = body.next().await.expect("the stream ended").unwrap();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            if let Some(data) = text.strip_prefix("data: ") {
                return data.trim().to_owned();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait).await.expect("no event within five seconds")
}

#[tokio::test]
async fn a_change_reaches_an_open_stream() {
    let house = House::new().await;
    let mut body = house.open("/api/v1/stream").await;
    house.core.live.changed(Kind::Rollout, "r1");
    let found: serde_json::Value = serde_json::from_str(&line(&mut body).await).unwrap();
    assert_eq!(found, serde_json::json!({ "kind": "rollout", "id": "r1" }));
}

#[tokio::test]
async fn who_reads_too_slowly_is_told_how_many_were_missed() {
    let house = House::new().await;
    let mut body = house.open("/api/v1/stream").await;
    for index in 0..3000 {
        house.core.live.changed(Kind::Job, format!("j{index}"));
    }
    let found: serde_json::Value = serde_json::from_str(&line(&mut body).await).unwrap();
    assert_eq!(found["kind"], "missed");
    assert!(found["missed"].as_u64().unwrap() >= 1900, "{found}");
}

#[tokio::test]
async fn the_stream_ends_with_the_token() {
    let mut house = House::new().await;
    let answer = house.post("/api/v1/tokens", r#"{"kind":"api","label":"guest"}"#).await.json();
    let owner = std::mem::replace(&mut house.token, answer["token"].as_str().unwrap().to_owned());
    let mut body = house.open("/api/v1/tap").await;
    house.core.live.changed(Kind::Rollout, "r1");
    house.token = owner;
    let path = format!("/api/v1/tokens/{}", answer["id"].as_str().unwrap());
    assert_eq!(
        house.send(house.request(Method::DELETE, &path).body(Body::empty()).unwrap()).await.status,
        204
    );
    let ended = async { while body.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("who lost the right still listens");
}

#[tokio::test]
async fn the_stream_ends_with_the_server() {
    let house = House::new().await;
    let body = house.open("/api/v1/stream").await;
    house.core.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), body.collect::<Vec<_>>())
        .await
        .expect("the stream stays open");
}
