//! Updates of several names go on side by side, and each state ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::{fs, sync::atomic::Ordering};

use dunlin_agent::{serving::slot::Folder, update::Config};
use dunlin_protocol::update::UpdateState;
use world::{World, bundle_of, quick};

fn failed_with(state: &UpdateState) -> &str {
    match state {
        UpdateState::Failed(reason) | UpdateState::RolledBack(reason) => &reason.code,
        _ => "",
    }
}

async fn with(models: &[&str]) -> World {
    let mut world = World::new().await;
    for model in models {
        world.publish(&bundle_of(model, true), |_| {});
    }
    world
}

#[tokio::test]
async fn a_download_that_never_comes_ends_and_what_was_fetched_stays_for_the_next_attempt() {
    let world = with(&["stuck-1.0.0"]).await;
    let bytes = bundle_of("stuck-1.0.0", true).write().unwrap();
    let sha256 = dunlin_agent::serving::loaded::sha256_hex(&bytes);
    let folder = Folder::new(&world.data_dir(), &"stuck".parse().unwrap());
    let part = folder.bundle(&"stuck-1.0.0".parse().unwrap(), &sha256).with_extension("dunlin.part");
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, &bytes[..100]).unwrap();
    let device = world.device(&world.address, quick());
    device.want(1, "stuck-1.0.0");
    assert_eq!(failed_with(&device.end(1).await), "deadline");
    assert_eq!(fs::read(&part).unwrap().len(), 100);
    device.stop().await;
}

#[tokio::test]
async fn a_bad_model_is_taken_back_while_another_name_downloads() {
    let world = with(&["line-1.0.0", "line-1.1.0", "stuck-1.0.0"]).await;
    let device = world.device(&world.address, quick());
    device.want(1, "line-1.0.0");
    device.end(1).await;
    device.stop().await;
    let config = Config { probation_seconds: 600, fetch_deadline_seconds: 600, ..quick() };
    let device = world.device(&world.address, config);
    device.want_all(2, &["line-1.1.0", "stuck-1.0.0"]);
    device.until(2, |state| *state == UpdateState::Downloading).await;
    device.until(2, |state| *state == UpdateState::Probation).await;
    device.models.get("line").unwrap().failed.fetch_add(50, Ordering::Relaxed);
    let back = device.until(2, |state| matches!(state, UpdateState::RolledBack(_))).await;
    assert_eq!(failed_with(&back.state), "failure-ratio");
    assert_eq!(device.answers().as_deref(), Some("1.0.0"));
    device.until(2, |state| *state == UpdateState::Downloading).await;
    device.stop().await;
}

#[tokio::test]
async fn each_name_has_its_own_model_in_the_shadow() {
    let world = with(&["line-1.0.0", "line-1.1.0", "other-1.0.0", "other-1.1.0"]).await;
    let device = world.device(&world.address, quick());
    device.want_all(1, &["line-1.0.0", "other-1.0.0"]);
    device.all_end(1, 2).await;
    device.stop().await;
    let device = world.device(&world.address, Config { shadow_seconds: 600, ..quick() });
    device.want_all(2, &["line-1.1.0", "other-1.1.0"]);
    let challenger =
        |name: &str| device.models.challenger(&name.parse().unwrap()).map(|loaded| loaded.model.to_string());
    device.kept(|| challenger("line").is_some() && challenger("other").is_some()).await;
    assert_eq!(
        (challenger("line").unwrap(), challenger("other").unwrap()),
        ("line-1.1.0".into(), "other-1.1.0".into())
    );
    device.models.challenger(&"line".parse().unwrap()).unwrap().failed.fetch_add(50, Ordering::Relaxed);
    let failed = device.until(2, |state| matches!(state, UpdateState::Failed(_))).await;
    assert_eq!((failed.model.name.as_str(), failed_with(&failed.state)), ("line", "failure-ratio"));
    device.stop().await;
}
