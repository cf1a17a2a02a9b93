//! A disk that is full or damaged takes no model away, keeps no bad one, and is written as soon as it works again.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use dunlin_agent::{
    serving::slot::{Folder, Slots},
    update::{Config, record::Store},
};
use dunlin_protocol::update::UpdateState;
use world::{World, bundle, quick};

/// Lets every write of one file fail, as a full disk does, for root too: what is written beside it first cannot be.
struct Refusing(PathBuf);

impl Refusing {
    fn writes_of(file: &Path) -> Self {
        let mut beside = file.file_name().unwrap().to_owned();
        beside.push(".new");
        let beside = file.with_file_name(beside);
        fs::create_dir_all(&beside).unwrap();
        Self(beside)
    }

    fn no_more(self) {
        fs::remove_dir(self.0).unwrap();
    }
}

fn slots(world: &World) -> Slots {
    Folder::new(&world.data_dir(), &"line".parse().unwrap()).read().unwrap()
}

/// A device that committed 1.0.0 and stopped while 1.1.0 was on probation.
async fn on_probation() -> World {
    let mut world = World::new().await;
    for version in ["1.0.0", "1.1.0"] {
        world.publish(&bundle(version, true), |_| {});
    }
    let device = world.device(&world.address, quick());
    device.want(1, "line-1.0.0");
    assert_eq!(device.end(1).await, UpdateState::Committed);
    device.stop().await;
    let device = world.device(&world.address, long_probation());
    device.want(2, "line-1.1.0");
    device.until(2, |state| *state == UpdateState::Probation).await;
    device.kill().await;
    world
}

fn long_probation() -> Config {
    Config { probation_seconds: 600, ..quick() }
}

#[tokio::test]
async fn a_start_on_a_full_disk_serves_and_takes_a_bad_model_back_in_memory() {
    let world = on_probation().await;
    let record = Refusing::writes_of(&world.data_dir().join("update/line.json"));
    let recorded = Refusing::writes_of(&world.data_dir().join("models/line/slots.json"));
    let device = world.device(&world.address, long_probation());
    assert_eq!(device.answers().as_deref(), Some("1.1.0"));
    device.models.get("line").unwrap().failed.fetch_add(50, Ordering::Relaxed);
    assert!(matches!(device.end(2).await, UpdateState::RolledBack(_)));
    assert_eq!(device.answers().as_deref(), Some("1.0.0"));
    assert_eq!(slots(&world).current.unwrap().model.to_string(), "line-1.1.0", "the disk is full");
    record.no_more();
    recorded.no_more();
    device
        .kept(|| {
            let record = Store::new(&world.data_dir()).records().remove(&"line".parse().unwrap()).unwrap();
            matches!(record.state, UpdateState::RolledBack(_))
                && slots(&world).current.unwrap().model.to_string() == "line-1.0.0"
        })
        .await;
    device.stop().await;
}

#[tokio::test]
async fn a_crash_loop_on_a_full_disk_is_ended_in_memory() {
    let world = on_probation().await;
    let store = Store::new(&world.data_dir());
    let mut record = store.records().remove(&"line".parse().unwrap()).unwrap();
    record.starts = 3;
    store.keep(&record).unwrap();
    let _record = Refusing::writes_of(&world.data_dir().join("update/line.json"));
    let _recorded = Refusing::writes_of(&world.data_dir().join("models/line/slots.json"));
    let device = world.device(&world.address, long_probation());
    assert_eq!(device.answers().as_deref(), Some("1.0.0"));
    device.stop().await;
}

#[tokio::test]
async fn a_state_that_cannot_be_left_on_a_full_disk_ends_at_its_deadline() {
    let world = on_probation().await;
    let store = Store::new(&world.data_dir());
    let mut record = store.records().remove(&"line".parse().unwrap()).unwrap();
    record.state = UpdateState::Verifying;
    store.keep(&record).unwrap();
    let _record = Refusing::writes_of(&world.data_dir().join("update/line.json"));
    let device = world.device(&world.address, Config { work_deadline_seconds: 4, ..quick() });
    let end = device.end(2).await;
    assert!(matches!(&end, UpdateState::Failed(reason) if reason.code == "disk"), "{end:?}");
    device.stop().await;
}

#[tokio::test]
async fn damaged_files_of_the_update_room_end_no_start() {
    let world = on_probation().await;
    for file in ["update/desired.json", "update/line.json"] {
        fs::write(world.data_dir().join(file), "{").unwrap();
    }
    let device = world.device(&world.address, quick());
    assert_eq!(device.damages.len(), 2, "{:?}", device.damages);
    assert_eq!(device.answers().as_deref(), Some("1.1.0"));
    device.want(3, "line-1.1.0");
    assert_eq!(device.end(3).await, UpdateState::Committed);
    device.stop().await;
}

#[tokio::test]
async fn a_damaged_slot_file_is_read_from_its_copy_and_mended() {
    let world = on_probation().await;
    let file = world.data_dir().join("models/line/slots.json");
    fs::write(&file, "{").unwrap();
    let device = world.device(&world.address, long_probation());
    assert!(device.damages[0].contains("copy"), "{:?}", device.damages);
    assert_eq!(device.answers().as_deref(), Some("1.1.0"));
    assert_ne!(fs::read_to_string(&file).unwrap(), "{");
    device.stop().await;
}

#[tokio::test]
async fn slots_that_are_lost_are_fetched_again_and_other_names_are_served_meanwhile() {
    let mut world = World::new().await;
    for model in ["line-1.0.0", "other-1.0.0"] {
        world.publish(&world::bundle_of(model, true), |_| {});
    }
    let device = world.device(&world.address, quick());
    device.want_all(1, &["line-1.0.0", "other-1.0.0"]);
    device.all_end(1, 2).await;
    device.stop().await;
    for file in ["slots.json", "slots-copy.json"] {
        fs::write(world.data_dir().join("models/line").join(file), "{").unwrap();
    }
    let device = world.device(&world.address, Config { reconcile_seconds: 600, ..quick() });
    assert!(device.damages[0].contains("line is not served"), "{:?}", device.damages);
    assert!(device.models.get("other").is_some());
    device.kept(|| device.answers().is_some()).await;
    device.stop().await;
}
