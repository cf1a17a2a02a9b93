//! A small world: an owner with keys, a server with its folder, a device with its store, HTTP on loopback.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod server;

use std::path::Path;
use std::time::Duration;

use dunlin_trust::write::{Delegation, OnlineKeys, Periods, Repository, Root, Targets, TopRole};
use dunlin_trust::{Client, Config, Patience, SigningKey, Transport, TrustStore, target_path};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use self::server::Server;

pub const DAY: Duration = Duration::from_secs(86_400);

/// The day on which every story begins.
pub fn start() -> Timestamp {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

pub struct World {
    pub folder: TempDir,
    pub root_key: SigningKey,
    pub targets_key: SigningKey,
    pub delegate_key: SigningKey,
    pub root: Root,
    pub targets: Targets,
    pub repository: Repository,
    pub server: Server,
}

fn copy(key: &SigningKey) -> SigningKey {
    SigningKey::from_pkcs8(key.to_pkcs8()).unwrap()
}

impl World {
    /// A repository with one target `rain.dunlin`, and `site/*` delegated to role `site`.
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let [root_key, targets_key, delegate_key] = [(); 3].map(|()| SigningKey::generate().unwrap());
        let online = OnlineKeys {
            timestamp: SigningKey::generate().unwrap(),
            snapshot: SigningKey::generate().unwrap(),
        };
        let mut root = Root::new(start() + 3650 * DAY);
        for (role, key) in [
            (TopRole::Root, &root_key),
            (TopRole::Targets, &targets_key),
            (TopRole::Timestamp, &online.timestamp),
            (TopRole::Snapshot, &online.snapshot),
        ] {
            root.edit().set_role(role, 1, &[key.public().clone()]).unwrap();
        }
        root.sign(&root_key).unwrap();
        let mut targets = Targets::new(start() + 365 * DAY);
        targets.edit().add_bytes("rain.dunlin", &content(), Some(json!({"model": "rain"})));
        targets
            .edit()
            .delegate(Delegation {
                name: "site".into(),
                keys: vec![delegate_key.public().clone()],
                threshold: 1,
                paths: vec!["site/*".into()],
                terminating: true,
            })
            .unwrap();
        targets.sign(&targets_key).unwrap();
        let metadata = folder.path().join("served/metadata");
        let repository = Repository::create(
            &metadata,
            &root.to_bytes().unwrap(),
            &targets.to_bytes().unwrap(),
            online,
            Periods::default(),
            start(),
        )
        .unwrap();
        let server = Server::start(folder.path().join("served")).await;
        let world = Self { folder, root_key, targets_key, delegate_key, root, targets, repository, server };
        world.put_target("rain.dunlin", &content());
        world
    }

    /// Stores a target file where the server looks for it.
    pub fn put_target(&self, name: &str, bytes: &[u8]) {
        let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
        let hash: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let path = self.folder.path().join("served/targets").join(target_path(name, &hash, true));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The one target file, whatever its name.
    pub fn target_file(&self) -> std::path::PathBuf {
        let folder = self.folder.path().join("served/targets");
        std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
    }

    pub fn metadata(&self, name: &str) -> std::path::PathBuf {
        self.repository.dir().join(name)
    }

    pub fn device_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("device")
    }

    /// A client over the device's store, begun with root version 1.
    pub fn client(&self) -> Client {
        let first = std::fs::read(self.metadata("1.root.json")).unwrap();
        self.client_over(TrustStore::create(&self.device_dir(), &first).unwrap())
    }

    pub fn client_over(&self, store: TrustStore) -> Client {
        let config = Config { not_before: Timestamp::UNIX_EPOCH, ..Config::default() };
        Client::new(store, self.transport()).with_config(config)
    }

    pub fn transport(&self) -> Transport {
        let (metadata, targets) = (self.server.url("metadata"), self.server.url("targets"));
        let patience = Patience {
            stall: Duration::from_millis(500),
            metadata: Duration::from_secs(5),
            min_bytes_per_second: 1,
        };
        Transport::new(reqwest::Client::new(), &metadata, &targets).unwrap().with_patience(patience)
    }

    /// The owner signs the next version of the targets after `change`; the server publishes it.
    pub fn publish(&mut self, change: impl FnOnce(&mut Targets)) {
        self.targets.bump(start() + 365 * DAY);
        change(&mut self.targets);
        self.targets.sign(&self.targets_key).unwrap();
        self.repository.accept_targets(&self.targets.to_bytes().unwrap(), start()).unwrap();
    }
}

/// What `rain.dunlin` holds: more than one piece on the wire.
pub fn content() -> Vec<u8> {
    (0..300_000u32).map(|n| (n % 251) as u8).collect()
}

/// Copies all files of a folder.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

pub fn duplicate(key: &SigningKey) -> SigningKey {
    copy(key)
}
