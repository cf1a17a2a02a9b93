//! Stories of a device that fetches what it trusts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::server::Fault;
use common::{World, content, start};
use dunlin_trust::{Client, Error, TargetInfo};

async fn ready(world: &World) -> (Client, TargetInfo, std::path::PathBuf) {
    let mut client = world.client();
    let target = client.refresh(start()).await.unwrap().target("rain.dunlin").unwrap();
    world.server.requests();
    (client, target, world.folder.path().join("models/rain.dunlin"))
}

fn part(dest: &std::path::Path) -> std::path::PathBuf {
    dest.with_file_name("rain.dunlin.part")
}

#[tokio::test]
async fn a_signed_file_arrives_whole_and_is_not_fetched_twice() {
    let world = World::new().await;
    let (client, target, dest) = ready(&world).await;
    let mut heard = Vec::new();
    client.download(&target, &dest, |bytes| heard.push(bytes)).await.unwrap();
    assert_eq!(std::fs::read(&dest).unwrap(), content());
    assert_eq!(heard.last(), Some(&target.length()));
    assert!(heard.is_sorted());
    assert!(!part(&dest).exists());
    world.server.requests();
    client.download(&target, &dest, |_| {}).await.unwrap();
    assert_eq!(world.server.requests(), []);
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    for fault in [Fault::CutAfter(100_000), Fault::StallAfter(100_000)] {
        let world = World::new().await;
        let (client, target, dest) = ready(&world).await;
        world.server.set("targets/", fault);
        let refused = client.download(&target, &dest, |_| {}).await.unwrap_err();
        assert!(refused.is_temporary(), "{refused}");
        assert!(!dest.exists());
        let there = std::fs::metadata(part(&dest)).unwrap().len();
        assert!(there > 0 && there <= 100_000, "{there}");
        world.server.heal();
        world.server.requests();
        client.download(&target, &dest, |_| {}).await.unwrap();
        assert_eq!(std::fs::read(&dest).unwrap(), content());
        assert_eq!(world.server.requests()[0].1, Some(format!("{there}-")));
    }
}

#[tokio::test]
async fn a_server_without_ranges_sends_everything_again() {
    let world = World::new().await;
    let (client, target, dest) = ready(&world).await;
    world.server.set("targets/", Fault::CutAfter(100_000));
    client.download(&target, &dest, |_| {}).await.unwrap_err();
    world.server.heal();
    world.server.set("targets/", Fault::NoRanges);
    client.download(&target, &dest, |_| {}).await.unwrap();
    assert_eq!(std::fs::read(&dest).unwrap(), content());
}

#[tokio::test]
async fn a_file_with_one_flipped_bit_never_gets_its_name() {
    let world = World::new().await;
    let (client, target, dest) = ready(&world).await;
    world.server.set("targets/", Fault::FlipBit);
    let refused = client.download(&target, &dest, |_| {}).await.unwrap_err();
    assert!(matches!(refused, Error::Mismatch { .. }), "{refused}");
    assert!(!dest.exists() && !part(&dest).exists());
}

#[tokio::test]
async fn endless_data_stops_at_the_signed_length() {
    let world = World::new().await;
    let (client, target, dest) = ready(&world).await;
    world.server.set("targets/", Fault::Endless);
    let refused = client.download(&target, &dest, |_| {}).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { limit: 300_000, .. }), "{refused}");
    assert!(!dest.exists() && !part(&dest).exists());
}

#[tokio::test]
async fn a_part_of_something_else_is_thrown_away_and_fetched_anew() {
    for left_over in [vec![7u8; 1000], vec![7u8; 300_000], vec![7u8; 400_000]] {
        let world = World::new().await;
        let (client, target, dest) = ready(&world).await;
        std::fs::create_dir_all(dest.parent().unwrap()).unwrap();
        std::fs::write(part(&dest), &left_over).unwrap();
        client.download(&target, &dest, |_| {}).await.unwrap();
        assert_eq!(std::fs::read(&dest).unwrap(), content(), "{}", left_over.len());
    }
}

#[tokio::test]
async fn a_signed_file_that_the_server_lost_is_not_found() {
    let world = World::new().await;
    let (client, target, dest) = ready(&world).await;
    std::fs::remove_file(world.target_file()).unwrap();
    let refused = client.download(&target, &dest, |_| {}).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound { .. }), "{refused}");
}

#[tokio::test]
async fn a_damaged_installed_file_is_replaced() {
    let world = World::new().await;
    let (client, target, dest) = ready(&world).await;
    client.download(&target, &dest, |_| {}).await.unwrap();
    let mut bytes = content();
    bytes[5] ^= 1;
    std::fs::write(&dest, bytes).unwrap();
    client.download(&target, &dest, |_| {}).await.unwrap();
    assert_eq!(std::fs::read(&dest).unwrap(), content());
}
