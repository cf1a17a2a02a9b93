//! The keys of a new repository: the owner's into a folder of their own, the server's own two into its folder.

use std::{path::Path, time::Duration};

use anyhow::Context;
use dunlin_trust::{
    SigningKey,
    write::{OnlineKeys, Periods, Repository, Root, Targets, TopRole},
};
use jiff::Timestamp;

use super::make_private;
use crate::folder::Folder;

/// How long the owner's first signatures are valid: the root five years, the list of targets one.
const ROOT: Duration = Duration::from_secs(5 * 365 * 86_400);
const TARGETS: Duration = Duration::from_secs(365 * 86_400);

/// Makes all keys and publishes version 1 of root, empty targets, snapshot and timestamp.
pub(super) fn publish(folder: &Folder, owner_keys: &Path) -> anyhow::Result<()> {
    make_private(owner_keys)?;
    let now = Timestamp::now();
    let (root_key, release_key) = (SigningKey::generate()?, SigningKey::generate()?);
    let online = OnlineKeys { timestamp: SigningKey::generate()?, snapshot: SigningKey::generate()? };
    root_key.save(&owner_keys.join("root.pk8"))?;
    release_key.save(&owner_keys.join("release.pk8"))?;
    online.timestamp.save(&folder.timestamp_key())?;
    online.snapshot.save(&folder.snapshot_key())?;

    let mut root = Root::new(now.checked_add(ROOT)?);
    let roles = [
        (TopRole::Root, &root_key),
        (TopRole::Targets, &release_key),
        (TopRole::Snapshot, &online.snapshot),
        (TopRole::Timestamp, &online.timestamp),
    ];
    for (role, key) in roles {
        root.edit().set_role(role, 1, &[key.public().clone()])?;
    }
    root.sign(&root_key)?;
    let mut targets = Targets::new(now.checked_add(TARGETS)?);
    targets.sign(&release_key)?;
    let (root, targets) = (root.to_bytes()?, targets.to_bytes()?);
    Repository::create(&folder.metadata(), &root, &targets, online, Periods::default(), now)
        .context("cannot publish the first metadata")?;
    Ok(())
}
