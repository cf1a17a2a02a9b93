//! Stories of a device that asks what to trust.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::server::Fault;
use common::{DAY, World, content, copy_folder, duplicate, start};
use dunlin_trust::write::{OnlineKeys, Root, Targets, TopRole};
use dunlin_trust::{Error, SigningKey, TrustStore};
use jiff::Timestamp;

#[tokio::test]
async fn a_device_sees_what_the_owner_signed() {
    let world = World::new().await;
    let verified = world.client().refresh(start()).await.unwrap();
    let target = verified.target("rain.dunlin").expect("listed");
    assert_eq!((target.length(), target.role()), (content().len() as u64, "targets"));
    assert_eq!(target.custom()["model"], "rain");
    assert!(verified.target("snow.dunlin").is_none());
    assert!(matches!(verified.require("snow.dunlin"), Err(Error::NotFound { .. })));
    for name in ["root", "timestamp", "snapshot", "targets"] {
        let ours = std::fs::read(world.device_dir().join(format!("{name}.json"))).unwrap();
        let served = if name == "timestamp" { "timestamp.json".into() } else { format!("1.{name}.json") };
        assert_eq!(ours, std::fs::read(world.metadata(&served)).unwrap(), "{name}");
    }
}

#[tokio::test]
async fn nothing_new_costs_two_requests() {
    let world = World::new().await;
    let mut client = world.client();
    client.refresh(start()).await.unwrap();
    world.server.requests();
    client.refresh(start()).await.unwrap();
    let paths: Vec<String> = world.server.requests().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["metadata/2.root.json", "metadata/timestamp.json"]);
}

#[tokio::test]
async fn expired_metadata_is_refused_and_fresh_metadata_ends_the_trouble() {
    let mut world = World::new().await;
    let mut client = world.client();
    client.refresh(start()).await.unwrap();
    let later = start() + 3 * DAY;
    let refused = client.refresh(later).await.unwrap_err();
    assert!(matches!(&refused, Error::Expired { role, .. } if role == "timestamp"), "{refused}");
    assert!(world.repository.refresh_online_roles(later).unwrap());
    client.refresh(later).await.unwrap();
}

#[tokio::test]
async fn a_clock_in_1970_does_not_make_expired_metadata_fresh() {
    let world = World::new().await;
    let mut client = world.client();
    client.refresh(start() + DAY).await.unwrap();
    // The board lost its clock; the timestamp expires on the third day.
    let mut client = world.client_over(TrustStore::open(&world.device_dir()).unwrap());
    client.refresh(Timestamp::UNIX_EPOCH).await.unwrap();
    let config = dunlin_trust::Config { not_before: start() + 4 * DAY, ..Default::default() };
    let mut newer_build =
        world.client_over(TrustStore::open(&world.device_dir()).unwrap()).with_config(config);
    assert!(matches!(newer_build.refresh(Timestamp::UNIX_EPOCH).await, Err(Error::Expired { .. })));
}

#[tokio::test]
async fn the_signed_time_lifts_a_clock_that_starts_in_1970() {
    let mut world = World::new().await;
    let mut client = world.client();
    let old = std::fs::read(world.metadata("timestamp.json")).unwrap();
    world.repository.refresh_online_roles(start() + 100 * DAY).unwrap();
    // This refresh is all that the device ever learns about the time.
    client.refresh(Timestamp::UNIX_EPOCH).await.unwrap();
    // A mirror that hides everything since the first day is found out on another device with the same floor.
    std::fs::write(world.metadata("timestamp.json"), old).unwrap();
    let refused = client.refresh(Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert!(matches!(refused, Error::Rollback { .. } | Error::Expired { .. }), "{refused}");
}

#[tokio::test]
async fn an_older_state_of_the_server_is_refused_even_after_a_restart() {
    let mut world = World::new().await;
    let old = world.folder.path().join("old");
    copy_folder(world.repository.dir(), &old);
    world.publish(|targets| {
        targets.edit().remove("rain.dunlin");
    });
    let verified = world.client().refresh(start()).await.unwrap();
    assert_eq!(verified.targets_version(), 2);
    std::fs::remove_dir_all(world.repository.dir()).unwrap();
    copy_folder(&old, world.repository.dir());
    let mut client = world.client_over(TrustStore::open(&world.device_dir()).unwrap());
    let refused = client.refresh(start()).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Rollback { role, trusted: 2, offered: 1 } if role == "timestamp"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_mix_of_old_and_new_files_is_refused() {
    let mut world = World::new().await;
    let old = std::fs::read(world.metadata("1.targets.json")).unwrap();
    world.publish(|_| {});
    std::fs::write(world.metadata("2.targets.json"), old).unwrap();
    let refused = world.client().refresh(start()).await.unwrap_err();
    assert!(matches!(refused, Error::Mismatch { .. }), "{refused}");
}

#[tokio::test]
async fn metadata_with_one_flipped_bit_is_refused() {
    for name in ["timestamp.json", "1.snapshot.json", "1.targets.json"] {
        let world = World::new().await;
        world.server.set(name, Fault::FlipBit);
        assert!(world.client().refresh(start()).await.is_err(), "{name}");
        world.server.heal();
        world.client().refresh(start()).await.unwrap();
    }
}

#[tokio::test]
async fn a_list_signed_by_a_stranger_is_refused_by_server_and_device() {
    let mut world = World::new().await;
    let stranger = SigningKey::generate().unwrap();
    let mut forged = world.targets.clone();
    forged.bump(start() + 365 * DAY);
    forged.edit().add_bytes("evil.dunlin", b"evil", None);
    forged.sign(&stranger).unwrap();
    let bytes = forged.to_bytes().unwrap();
    let refused = world.repository.accept_targets(&bytes, start()).unwrap_err();
    assert!(matches!(refused, Error::Signature { .. }), "{refused}");

    // A server whose online keys were stolen publishes it anyway.
    world.publish(|_| {});
    let path = world.metadata("2.targets.json");
    std::fs::write(&path, &bytes).unwrap();
    let refused = world.client().refresh(start()).await.unwrap_err();
    assert!(matches!(refused, Error::Mismatch { .. } | Error::Signature { .. }), "{refused}");
}

#[tokio::test]
async fn endless_metadata_is_cut_off() {
    let world = World::new().await;
    world.server.set("timestamp.json", Fault::Endless);
    let refused = world.client().refresh(start()).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { limit: 16_384, .. }), "{refused}");
}

#[tokio::test]
async fn a_silent_or_broken_server_is_a_network_error() {
    for fault in [Fault::StallAfter(10), Fault::CutAfter(10), Fault::Broken] {
        let world = World::new().await;
        world.server.set("timestamp.json", fault);
        let refused = world.client().refresh(start()).await.unwrap_err();
        assert!(refused.is_temporary(), "{fault:?}: {refused}");
    }
}

#[tokio::test]
async fn new_root_keys_are_followed_from_the_first_root() {
    let mut world = World::new().await;
    let mut client = world.client();
    let next_key = SigningKey::generate().unwrap();
    world.root.bump(start() + 3650 * DAY);
    world.root.edit().set_role(TopRole::Root, 1, &[next_key.public().clone()]).unwrap();
    world.root.sign(&next_key).unwrap();
    let alone = world.root.to_bytes().unwrap();
    assert!(world.repository.accept_root(&alone, start()).is_err(), "the old key must sign too");
    world.root.sign(&world.root_key).unwrap();
    world.repository.accept_root(&world.root.to_bytes().unwrap(), start()).unwrap();
    assert_eq!(client.refresh(start()).await.unwrap().root_version(), 2);
    assert_eq!(TrustStore::open(&world.device_dir()).unwrap().root_version(), 2);
}

#[tokio::test]
async fn rotated_online_keys_reset_the_floors_they_had_set() {
    let mut world = World::new().await;
    let mut client = world.client();
    for _ in 0..5 {
        world.publish(|_| {});
    }
    client.refresh(start()).await.unwrap();

    // The online keys were stolen; the owner gives new ones and the server begins again at version 1.
    let fresh =
        OnlineKeys { timestamp: SigningKey::generate().unwrap(), snapshot: SigningKey::generate().unwrap() };
    let mut root = Root::from_bytes(&std::fs::read(world.metadata("1.root.json")).unwrap()).unwrap();
    root.bump(start() + 3650 * DAY);
    root.edit().set_role(TopRole::Timestamp, 1, &[fresh.timestamp.public().clone()]).unwrap();
    root.edit().set_role(TopRole::Snapshot, 1, &[fresh.snapshot.public().clone()]).unwrap();
    root.sign(&world.root_key).unwrap();
    let mut targets = Targets::new(start() + 365 * DAY);
    targets.sign(&world.targets_key).unwrap();
    let first = std::fs::read(world.metadata("1.root.json")).unwrap();
    let dir = world.repository.dir().to_owned();
    std::fs::remove_dir_all(&dir).unwrap();
    world.repository = dunlin_trust::write::Repository::create(
        &dir,
        &root.to_bytes().unwrap(),
        &targets.to_bytes().unwrap(),
        OnlineKeys { timestamp: duplicate(&fresh.timestamp), snapshot: duplicate(&fresh.snapshot) },
        Default::default(),
        start(),
    )
    .unwrap();
    std::fs::write(world.metadata("1.root.json"), first).unwrap();
    let verified = client.refresh(start()).await.unwrap();
    assert_eq!((verified.root_version(), verified.targets_version()), (2, 1));
}

#[tokio::test]
async fn a_damaged_cache_is_a_refusal_until_someone_repairs_it_and_the_floor_stays() {
    let mut world = World::new().await;
    let old = world.folder.path().join("old");
    copy_folder(world.repository.dir(), &old);
    world.publish(|_| {});
    world.client().refresh(start()).await.unwrap();
    for name in ["timestamp.json", "snapshot.json", "targets.json"] {
        std::fs::write(world.device_dir().join(name), b"{}").unwrap();
        let refused = TrustStore::open(&world.device_dir()).unwrap_err();
        assert!(matches!(&refused, Error::Damaged { path, .. } if path.ends_with(name)), "{refused}");
        assert_eq!(TrustStore::repair(&world.device_dir()).unwrap().len(), 1);
    }
    // With every cached file gone the old server state is refused still.
    let now_served = world.folder.path().join("new");
    copy_folder(world.repository.dir(), &now_served);
    copy_folder(&old, world.repository.dir());
    let mut client = world.client_over(TrustStore::open(&world.device_dir()).unwrap());
    assert!(matches!(client.refresh(start()).await, Err(Error::Rollback { .. })));
    copy_folder(&now_served, world.repository.dir());
    client.refresh(start()).await.unwrap();
}

#[tokio::test]
async fn lost_floors_are_a_refusal_and_never_a_fresh_start() {
    let world = World::new().await;
    world.client().refresh(start()).await.unwrap();
    std::fs::remove_dir_all(world.device_dir().join("floors")).unwrap();
    assert!(matches!(TrustStore::open(&world.device_dir()), Err(Error::Damaged { .. })));
    let root = std::fs::read(world.metadata("1.root.json")).unwrap();
    assert!(matches!(TrustStore::create(&world.device_dir(), &root), Err(Error::Damaged { .. })));
}

#[tokio::test]
async fn a_store_does_not_take_a_second_owner() {
    let (world, other) = (World::new().await, World::new().await);
    world.client();
    let root = other.root.to_bytes().unwrap();
    assert!(matches!(TrustStore::create(&world.device_dir(), &root), Err(Error::Usage { .. })));
}

#[tokio::test]
async fn a_delegate_speaks_for_its_own_paths_only() {
    let mut world = World::new().await;
    let mut list = Targets::new(start() + 30 * DAY);
    list.edit().add_bytes("site/a.dunlin", b"a", None);
    list.edit().add_bytes("other/b.dunlin", b"b", None);
    list.sign(&world.targets_key).unwrap();
    let wrong_key = world.repository.accept_delegated("site", &list.to_bytes().unwrap(), start());
    assert!(matches!(wrong_key, Err(Error::Signature { .. })));
    list.edit();
    list.sign(&world.delegate_key).unwrap();
    world.repository.accept_delegated("site", &list.to_bytes().unwrap(), start()).unwrap();
    let verified = world.client().refresh(start()).await.unwrap();
    assert_eq!(verified.target("site/a.dunlin").expect("delegated").role(), "site");
    assert!(verified.target("other/b.dunlin").is_none());
    let names: Vec<String> = verified.targets().iter().map(|t| t.name().to_owned()).collect();
    assert_eq!(names, ["rain.dunlin", "site/a.dunlin"]);
}

#[tokio::test]
async fn a_delegate_that_expired_blocks_its_own_targets_only() {
    let mut world = World::new().await;
    let mut list = Targets::new(start() + DAY);
    list.edit().add_bytes("site/a.dunlin", b"a", None);
    list.sign(&world.delegate_key).unwrap();
    world.repository.accept_delegated("site", &list.to_bytes().unwrap(), start()).unwrap();
    let later = start() + 36 * (DAY / 24);
    let verified = world.client().refresh(later).await.unwrap();
    assert!(verified.target("rain.dunlin").is_some());
    let reason = verified.require("site/a.dunlin").unwrap_err().to_string();
    assert!(reason.contains("site") && reason.contains("expired"), "{reason}");
}
