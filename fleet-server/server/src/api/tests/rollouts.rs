//! Rollouts as they are asked for, driven by what devices report.

use std::time::Duration;

use axum::http::StatusCode;
use dunlin_protocol::{
    Message, ModelRef,
    message::{ClockQuality, Desired, Serving, State},
};
use serde_json::{Value, json};

use super::house::{House, bundle};
use crate::{clock::now_ms, ingest::live::Kind, registry::rows, storage::devices};

async fn release(house: &House, model: &str) {
    let bytes = bundle(model);
    house.post("/api/v1/models", bytes.clone()).await;
    let list = house.signed(&format!("{model}.dunlin"), &bytes, &house.release_key()).await;
    assert_eq!(house.put("/api/v1/tuf/targets", list).await.status, StatusCode::OK);
}

async fn enrol(house: &House, device: &'static str) {
    house
        .core
        .store
        .write(move |tx| devices::enrol(tx, device, device.as_bytes(), "a b c d", now_ms()).map(drop))
        .await
        .unwrap();
}

/// The device reports that it serves this model.
async fn report(house: &House, device: &'static str, model: &str) {
    let model: ModelRef = model.parse().unwrap();
    let state = State {
        online: true,
        boot: 1,
        agent: "0.1.0".into(),
        at_ms: now_ms(),
        clock: ClockQuality::Synchronised,
        generation: 1,
        serving: vec![Serving { model, since_ms: now_ms(), compared: true, fallback: None }],
        updates: Vec::new(),
        spool: None,
        system: None,
        modes: Vec::new(),
    };
    let bytes = state.encode().unwrap();
    let put = move |tx: &rusqlite::Transaction<'_>| devices::put_state(tx, device, true, 1, &bytes, now_ms());
    house.core.store.write(put).await.unwrap();
}

/// What a device should run, by full name.
async fn desired(house: &House, device: &'static str) -> Vec<String> {
    let found = house
        .core
        .store
        .read(move |db| {
            let number = devices::number_of(db, device)?.unwrap_or(0);
            devices::desired(db, number)
        })
        .await
        .unwrap();
    let desired = found.and_then(|(_, body)| Desired::decode(&body).ok());
    desired.iter().flat_map(|d| &d.models).map(|entry| entry.target.model().to_string()).collect()
}

/// Waits until the server's driver has brought it about. Each look tells the driver that there is news.
async fn until(house: &House, what: &str, seen: impl AsyncFn() -> bool) {
    let look = async {
        while !seen().await {
            let mut heard = house.core.live.listen();
            house.core.live.changed(Kind::State, "test");
            // Our own event, then the driver's; without one the next look comes all the same.
            let news = async {
                while let Ok(event) = heard.recv().await {
                    if event.kind != Kind::State {
                        break;
                    }
                }
            };
            drop(tokio::time::timeout(Duration::from_millis(300), news).await);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look)
        .await
        .unwrap_or_else(|_| panic!("never seen: {what}"));
}

fn all_at_once(model: &str) -> String {
    let wave = json!({ "percent": 100.0, "soak": "0s", "min_inferences": 0, "max_failure_ratio": 0.1,
                       "max_health_drop": 0.05 });
    json!({ "model": model, "waves": [wave] }).to_string()
}

#[tokio::test]
async fn a_rollout_reaches_its_devices_and_waits_for_answers_to_judge_by() {
    let house = House::new().await;
    release(&house, "rain-1.0.0").await;
    for device in ["s1", "s2"] {
        enrol(&house, device).await;
    }
    let dry = house.post("/api/v1/rollouts", r#"{"model":"rain-1.0.0","dry_run":true}"#).await.json();
    assert!(dry["plan"].as_array().is_some_and(|plan| !plan.is_empty()), "{dry}");
    assert_eq!(house.get("/api/v1/rollouts").await.json(), json!([]));

    let made = house.post("/api/v1/rollouts", all_at_once("rain-1.0.0")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.bytes);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    until(&house, "desired states", async || desired(&house, "s1").await == ["rain-1.0.0"]).await;
    let twice = house.post("/api/v1/rollouts", all_at_once("rain-1.0.0")).await;
    assert_eq!(twice.code(), "rollout-running");
    for device in ["s1", "s2"] {
        report(&house, device, "rain-1.0.0").await;
    }
    let show = async || house.get(&format!("/api/v1/rollouts/{id}")).await.json();
    until(&house, "all devices done", async || {
        let devices = show().await["devices"].as_array().unwrap().clone();
        devices.len() == 2 && devices.iter().all(|device| device["state"] == "success")
    })
    .await;
    assert_eq!(show().await["phase"], "soaking", "without an inference there is nothing to judge by");
}

#[tokio::test]
async fn a_device_that_enrols_later_runs_the_champion() {
    let house = House::new().await;
    release(&house, "rain-1.0.0").await;
    let model: ModelRef = "rain-1.0.0".parse().unwrap();
    house.core.store.write(move |tx| rows::crown(tx, &model, now_ms())).await.unwrap();
    assert_eq!(house.get("/api/v1/models/rain/1.0.0").await.json()["champion"], true);
    enrol(&house, "late").await;
    until(&house, "the champion", async || desired(&house, "late").await == ["rain-1.0.0"]).await;
}

#[tokio::test]
async fn an_aborted_rollout_takes_its_model_back() {
    let house = House::new().await;
    for model in ["rain-1.0.0", "rain-1.1.0"] {
        release(&house, model).await;
    }
    enrol(&house, "s1").await;
    report(&house, "s1", "rain-1.0.0").await;
    let id = house.post("/api/v1/rollouts", all_at_once("rain-1.1.0")).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    until(&house, "the new model", async || desired(&house, "s1").await == ["rain-1.1.0"]).await;
    let paused = house.post(&format!("/api/v1/rollouts/{id}/pause"), "{}").await.json();
    assert_eq!(paused["phase"], "paused");
    let refused = house.post(&format!("/api/v1/rollouts/{id}/pause"), "{}").await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "rollout-refused"));
    let aborted = house.post(&format!("/api/v1/rollouts/{id}/abort"), "{}").await.json();
    assert_eq!(aborted["phase"], "going-back", "{aborted}");
    until(&house, "the old model", async || desired(&house, "s1").await == ["rain-1.0.0"]).await;
    report(&house, "s1", "rain-1.0.0").await;
    let show = async || house.get(&format!("/api/v1/rollouts/{id}")).await.json();
    until(&house, "the end", async || show().await["phase"] == "rolled-back").await;
    assert!(show().await["reason"].as_str().unwrap().contains("aborted by"));
}

#[tokio::test]
async fn what_cannot_be_rolled_out_is_refused_with_the_reason() {
    let house = House::new().await;
    enrol(&house, "s1").await;
    house.post("/api/v1/models", bundle("rain-1.0.0")).await;
    let ask = async |wish: Value| house.post("/api/v1/rollouts", wish.to_string()).await;
    assert_eq!(ask(json!({ "model": "rain-1.0.0" })).await.code(), "not-released");
    assert_eq!(ask(json!({ "model": "rain-9.0.0" })).await.code(), "not-released");
    assert_eq!(ask(json!({ "model": "rain" })).await.code(), "bad-name");
    release(&house, "rain-1.0.0").await;
    assert_eq!(ask(json!({ "model": "rain-1.0.0", "waves": "none" })).await.code(), "bad-waves");
    assert_eq!(ask(json!({ "model": "rain-1.0.0", "waves": [] })).await.code(), "bad-waves");
    assert_eq!(ask(json!({ "model": "rain-1.0.0", "devices": ["nobody"] })).await.code(), "unknown-device");
}
