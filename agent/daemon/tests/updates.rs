//! Updates from a signed repository on loopback to an answering model, and back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::atomic::Ordering;

use dunlin_agent::{serving::slot::Folder, update::Config, update::record::Store};
use dunlin_protocol::update::UpdateState;
use world::{World, bundle, flip_a_bit, quick, row};

fn failed_with(state: &UpdateState) -> &str {
    match state {
        UpdateState::Failed(reason) | UpdateState::RolledBack(reason) => &reason.code,
        _ => "",
    }
}

#[tokio::test]
async fn a_signed_model_is_fetched_tested_and_committed() {
    let mut world = World::new().await;
    world.publish(&bundle("1.0.0", true), |_| {});
    let device = world.device(&world.address, quick());
    device.want(1, "line-1.0.0");
    assert_eq!(device.end(1).await, UpdateState::Committed);
    assert_eq!(device.answers().as_deref(), Some("1.0.0"));
    world.publish(&bundle("1.1.0", true), |_| {});
    device.want(2, "line-1.1.0");
    assert_eq!(device.end(2).await, UpdateState::Committed);
    assert_eq!(device.models.report()[0].fallback.as_ref().unwrap().to_string(), "line-1.0.0");
    // The same again costs nothing, and an older wish is not heard.
    device.want(3, "line-1.1.0");
    device.until(3, |state| *state == UpdateState::Committed).await;
    device.want(2, "line-1.0.0");
    device.want(4, "line-1.1.0");
    device.until(4, |state| *state == UpdateState::Committed).await;
    assert_eq!(device.answers().as_deref(), Some("1.1.0"));
    device.stop().await;
}

#[tokio::test]
async fn a_bundle_with_one_flipped_bit_is_refused_and_the_old_model_answers() {
    let mut world = World::new().await;
    world.publish(&bundle("1.0.0", true), |_| {});
    let device = world.device(&world.address, quick());
    device.want(1, "line-1.0.0");
    device.end(1).await;
    world.publish(&bundle("1.1.0", true), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    device.want(2, "line-1.1.0");
    assert_eq!(failed_with(&device.end(2).await), "not-as-signed");
    assert_eq!(device.answers().as_deref(), Some("1.0.0"));
    // It is not tried again by itself, only when asked for.
    device.want(3, "line-1.1.0");
    assert_eq!(failed_with(&device.end(3).await), "not-as-signed");
    world.publish(&bundle("1.1.0", true), |_| {});
    device.want_again(4, "line-1.1.0", true);
    assert_eq!(device.end(4).await, UpdateState::Committed);
    device.stop().await;
}

#[tokio::test]
async fn a_bundle_that_nobody_signed_is_never_loaded() {
    let world = World::new().await;
    let device = world.device(&world.address, quick());
    let folder = Folder::new(&world.data_dir(), &"line".parse().unwrap());
    let bytes = bundle("1.0.0", true).write().unwrap();
    let sha256 = dunlin_agent::serving::loaded::sha256_hex(&bytes);
    let path = folder.bundle(&"line-1.0.0".parse().unwrap(), &sha256);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    device.want(1, "line-1.0.0");
    assert_eq!(failed_with(&device.end(1).await), "not-signed");
    assert_eq!(device.answers(), None);
    device.stop().await;
}

#[tokio::test]
async fn a_model_with_wrong_numbers_fails_its_self_test() {
    let mut world = World::new().await;
    world.publish(&bundle("1.0.0", false), |_| {});
    let device = world.device(&world.address, quick());
    device.want(1, "line-1.0.0");
    let state = device.end(1).await;
    assert!(matches!(&state, UpdateState::Failed(reason) if reason.message.contains("golden")), "{state:?}");
    assert_eq!(device.answers(), None);
    device.stop().await;
}

#[tokio::test]
async fn a_model_that_fails_in_service_is_taken_back_by_the_device() {
    let mut world = World::new().await;
    for version in ["1.0.0", "1.1.0"] {
        world.publish(&bundle(version, true), |_| {});
    }
    let device = world.device(&world.address, quick());
    device.want(1, "line-1.0.0");
    device.end(1).await;
    device.stop().await;
    let device = world.device(&world.address, Config { probation_seconds: 600, ..quick() });
    device.want(2, "line-1.1.0");
    device.until(2, |state| *state == UpdateState::Probation).await;
    assert_eq!(device.answers().as_deref(), Some("1.1.0"));
    device.models.get("line").unwrap().failed.fetch_add(50, Ordering::Relaxed);
    let state = device.end(2).await;
    assert!(
        matches!(state, UpdateState::RolledBack(_)) && failed_with(&state) == "failure-ratio",
        "{state:?}"
    );
    assert_eq!(device.answers().as_deref(), Some("1.0.0"));
    device.stop().await;
}

#[tokio::test]
async fn going_back_needs_no_network() {
    let mut world = World::new().await;
    for version in ["1.0.0", "1.1.0"] {
        world.publish(&bundle(version, true), |_| {});
    }
    let device = world.device(&world.address, quick());
    for (generation, model) in [(1, "line-1.0.0"), (2, "line-1.1.0")] {
        device.want(generation, model);
        assert_eq!(device.end(generation).await, UpdateState::Committed);
    }
    device.stop().await;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let device = world.device(&format!("http://{nowhere}"), quick());
    assert_eq!(device.answers().as_deref(), Some("1.1.0"));
    device.want(3, "line-1.0.0");
    assert_eq!(device.end(3).await, UpdateState::Committed);
    assert_eq!(device.answers().as_deref(), Some("1.0.0"));
    device.stop().await;
}

/// `kill -9` as each state is entered: what is on disk then is carried to a proper end by the next start.
#[tokio::test]
async fn an_update_interrupted_in_any_state_ends_after_a_restart() {
    let states =
        ["Resolving", "Downloading", "Verifying", "Staging", "SelfTest", "Shadow", "Activating", "Probation"];
    let mut world = World::new().await;
    world.publish(&bundle("1.0.0", true), |_| {});
    let slow = Config { probation_seconds: 600, shadow_seconds: 600, ..quick() };
    for (round, name) in states.into_iter().enumerate() {
        let generation = 10 + round as u64 * 10;
        let version = format!("1.{}.0", round + 1);
        world.publish(&bundle(&version, true), |_| {});
        let device = world.device(&world.address, quick());
        device.want(generation, "line-1.0.0");
        assert_eq!(device.end(generation).await, UpdateState::Committed);
        device.kill().await;

        let config =
            if name == "Shadow" { slow.clone() } else { Config { shadow_seconds: 0, ..slow.clone() } };
        let device = world.device(&world.address, config);
        device.want(generation + 1, &format!("line-{version}"));
        device.until(generation + 1, |state| state.name() == name || state.name() == "Probation").await;
        device.kill().await;

        // Whichever state the kill left behind, one is put on disk by hand as well: the exact one.
        let store = Store::new(&world.data_dir());
        let mut record = store.records().remove(&"line".parse().unwrap()).unwrap();
        let there = record.state.clone();
        let device = world.device(&world.address, quick());
        assert!(device.answers().is_some(), "{name}: nothing answers after the kill in {}", there.name());
        assert_eq!(
            device.end(generation + 1).await,
            UpdateState::Committed,
            "{name}, killed in {}",
            there.name()
        );
        assert_eq!(device.answers(), Some(version));
        device.kill().await;
        record = store.records().remove(&"line".parse().unwrap()).unwrap();
        assert_eq!(record.state, UpdateState::Committed);
    }
}

#[tokio::test]
async fn a_model_that_crashes_the_agent_is_taken_back_at_the_fourth_start() {
    let mut world = World::new().await;
    for version in ["1.0.0", "1.1.0"] {
        world.publish(&bundle(version, true), |_| {});
    }
    let device = world.device(&world.address, quick());
    device.want(1, "line-1.0.0");
    device.end(1).await;
    device.stop().await;
    let slow = Config { probation_seconds: 600, ..quick() };
    let device = world.device(&world.address, slow.clone());
    device.want(2, "line-1.1.0");
    device.until(2, |state| *state == UpdateState::Probation).await;
    device.kill().await;
    for start in 1..=4 {
        let device = world.device(&world.address, slow.clone());
        let expected = if start < 4 { "1.1.0" } else { "1.0.0" };
        assert_eq!(device.answers().as_deref(), Some(expected), "start {start}");
        device.kill().await;
    }
    let record = Store::new(&world.data_dir()).records().remove(&"line".parse().unwrap()).unwrap();
    assert_eq!(failed_with(&record.state), "crash-loop");
}

#[tokio::test]
async fn a_damaged_model_falls_back_to_the_last_known_good() {
    let mut world = World::new().await;
    for version in ["1.0.0", "1.1.0"] {
        world.publish(&bundle(version, true), |_| {});
    }
    let device = world.device(&world.address, quick());
    for (generation, model) in [(1, "line-1.0.0"), (2, "line-1.1.0")] {
        device.want(generation, model);
        device.end(generation).await;
    }
    device.stop().await;
    let folder = Folder::new(&world.data_dir(), &"line".parse().unwrap());
    let slot = folder.read().unwrap().current.unwrap();
    flip_a_bit(&folder.bundle(&slot.model, &slot.sha256));
    let device = world.device(&world.address, quick());
    assert!(device.damages[0].contains("line-1.0.0 answers instead"), "{:?}", device.damages);
    assert_eq!(device.answers().as_deref(), Some("1.0.0"));
    device.stop().await;
}

#[tokio::test]
async fn a_swap_under_load_loses_no_answer_and_mixes_none() {
    let mut world = World::new().await;
    for version in ["1.0.0", "1.1.0"] {
        world.publish(&bundle(version, true), |_| {});
    }
    let device = world.device(&world.address, quick());
    device.want(1, "line-1.0.0");
    device.end(1).await;
    let (models, stop) = (device.models.clone(), tokio_util::sync::CancellationToken::new());
    let ended = stop.clone();
    let asking = tokio::task::spawn_blocking(move || {
        let mut answers = [0_u64; 2];
        while !ended.is_cancelled() {
            let loaded = models.get("line").expect("a model always answers");
            loaded.run(&row(0.1)).unwrap();
            answers[usize::from(loaded.model.version.to_string() == "1.1.0")] += 1;
        }
        answers
    });
    device.want(2, "line-1.1.0");
    device.end(2).await;
    stop.cancel();
    let [before, after] = asking.await.unwrap();
    assert!(before > 0, "nothing was asked before the swap");
    let counted = device.models.get("line").unwrap().answered.load(Ordering::Relaxed);
    assert_eq!(counted, after);
    device.stop().await;
}
