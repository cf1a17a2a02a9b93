//! `dunlin key`: the owner's keys stay with the owner; the server gets signatures only.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use dunlin_protocol::ModelRef;
use dunlin_trust::{
    SigningKey,
    write::{Root, Targets, TopRole},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Session;
use crate::{client::Api, output::field};

/// File of the release (targets) key in the owner's folder.
const RELEASE_KEY: &str = "release.pk8";

/// How long a signed list of releases is good for.
const RELEASE_PERIOD: SignedDuration = SignedDuration::from_hours(24 * 365);

/// Subcommands.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Make a key and print its id.
    Create {
        /// New file for the private key.
        file: PathBuf,
    },
    /// Print a key's public half as TUF metadata writes it.
    Show {
        /// File with the private key.
        file: PathBuf,
    },
    /// What a root says: who may sign what, and until when.
    Root {
        /// A root.json.
        file: PathBuf,
    },
    /// Add this key's signature to a root, for roots that need several people.
    SignRoot {
        /// The root.json; it is written anew.
        root: PathBuf,
        /// File with the private key.
        key: PathBuf,
    },
}

/// Runs a subcommand.
pub async fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create { file } => {
            let key = SigningKey::generate()?;
            key.save(&file)?;
            let value = json!({"file": file, "id": key.public().id(), "public": key.public().to_json()});
            session.print(&value, |value| {
                println!(
                    "Key {} is in {}. Keep a copy where no network is.",
                    field(value, "/id"),
                    file.display()
                );
            })
        }
        Command::Show { file } => {
            let key = SigningKey::load(&file)?;
            let value = json!({"id": key.public().id(), "public": key.public().to_json()});
            session.print(&value, |value| println!("{}\n{}", field(value, "/id"), value["public"]))
        }
        Command::Root { file } => show_root(session, &read_root(&file)?),
        Command::SignRoot { root, key } => {
            let mut signed = read_root(&root)?;
            let key = SigningKey::load(&key)?;
            signed.sign(&key)?;
            fs::write(&root, signed.to_bytes()?)
                .with_context(|| format!("cannot write {}", root.display()))?;
            let value = json!({"root": root, "key": key.public().id()});
            session.print(&value, |_| {
                println!("{} carries the signature of {}.", root.display(), key.public().id())
            })
        }
    }
}

fn read_root(file: &Path) -> anyhow::Result<Root> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Root::from_bytes(&bytes)?)
}

fn show_root(session: &Session, root: &Root) -> anyhow::Result<()> {
    let body = root.body();
    let mut roles = Vec::new();
    for role in [TopRole::Root, TopRole::Targets, TopRole::Snapshot, TopRole::Timestamp] {
        let (keys, threshold) = body.role(role)?;
        let ids: Vec<&str> = keys.iter().map(|key| key.id()).collect();
        roles.push(json!({"role": role.name(), "threshold": threshold, "keys": ids}));
    }
    let value = json!({"version": body.version(), "expires": body.expires().to_string(), "roles": roles});
    session.print(&value, |value| {
        println!("root version {}, good until {}", field(value, "/version"), field(value, "/expires"));
        for role in &roles {
            println!("  {:10} {} of {}", field(role, "/role"), field(role, "/threshold"), role["keys"]);
        }
    })
}

/// The owner's folder: what the command line names, else what the profile remembers.
pub fn owner_folder(session: &Session, named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    named.or(session.profile()?.owner_keys).context(
        "no folder with the owner's keys is known; name it with --owner-keys, or log in again with --owner-keys \
         (`dunlin-server init` said where it put them)",
    )
}

/// Adds a candidate to the signed list of releases and hands the list to the server.
pub async fn release(api: &Api, owner_keys: &Path, model: &ModelRef) -> anyhow::Result<Value> {
    let key = SigningKey::load(&owner_keys.join(RELEASE_KEY))
        .with_context(|| format!("no release key in {}", owner_keys.display()))?;
    let candidate: Value = api.get(&format!("/models/{}/{}", model.name, model.version)).await?;
    let (Some(length), Some(sha256)) =
        (candidate.pointer("/target/length").and_then(Value::as_u64), candidate.pointer("/target/sha256"))
    else {
        bail!("the server names no bundle for {model}; push it again");
    };
    let sha256 = sha256.as_str().unwrap_or_default();
    let name = model.target().to_string();
    let mut targets = Targets::from_bytes(&api.get_bytes("/tuf/targets").await?)?;
    if targets.body().get(&name).is_some_and(|(_, signed, _)| signed == sha256) {
        return Ok(candidate);
    }
    targets.edit().add(&name, length, sha256, None);
    targets.bump(Timestamp::now().checked_add(RELEASE_PERIOD)?);
    targets.sign(&key)?;
    api.put("/tuf/targets", targets.to_bytes()?).await
}
