//! Makes a new server folder. What is there already is never touched.
//!
//! ```text
//! FOLDER/             server.toml ca/ tls/ keys/ objects/ tuf/metadata/ store.db     the server's
//! FOLDER-owner-keys/  root.pk8 release.pk8                                           the owner's: taken elsewhere
//! ```
//! The server keeps only keys that say "this is the newest" (timestamp, snapshot); what may run on devices is signed
//! with the release key, which this program never reads again.

mod keys;
mod settings;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::{
    access::{
        Authority,
        authority::today,
        tokens::{Kind, NewToken, make},
    },
    clock::now_ms,
    folder::Folder,
    storage::{Store, tokens},
};

/// What `init` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// The folder to make.
    pub folder: PathBuf,
    /// A name or address that devices and people reach this server by; the first is the one they are told.
    #[arg(long)]
    pub host: Vec<String>,
    /// Where to write the owner's root and release keys [default: FOLDER-owner-keys].
    #[arg(long)]
    pub owner_keys: Option<PathBuf>,
    /// Print JSON for machines: `admin_token`, `ca_fingerprint`, `folder`, `owner_keys`.
    #[arg(long)]
    pub json: bool,
}

/// Makes the folder and says what to do next, on standard output.
///
/// # Errors
/// If the folder is there already, or cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let made = make_folder(arguments)?;
    if arguments.json {
        println!("{}", made.json());
    } else {
        print!("{}", made.story());
    }
    Ok(())
}

/// What was made.
pub struct Made {
    folder: PathBuf,
    owner_keys: PathBuf,
    host: String,
    /// `sha256:` and hexadecimal.
    pub ca_fingerprint: String,
    /// The first API token.
    pub admin_token: String,
}

/// Makes the folder.
///
/// # Errors
/// As [`run`].
pub fn make_folder(arguments: &Arguments) -> anyhow::Result<Made> {
    let path = &arguments.folder;
    let owner_keys = arguments.owner_keys.clone().unwrap_or_else(|| beside(path));
    for place in [path, &owner_keys] {
        if place.exists() {
            bail!(
                "{} is there already and is left as it is; choose another folder, or start it with \
                 `dunlin-server run {}`",
                place.display(),
                path.display()
            );
        }
    }
    let folder = Folder::new(path);
    let host = arguments.host.first().cloned().unwrap_or_else(|| "localhost".into());
    for place in [path.clone(), path.join("ca"), path.join("tls"), path.join("keys"), folder.objects()] {
        make_private(&place)?;
    }
    let (ca, ca_key) = Authority::create(&format!("Dunlin {host}"), today())?;
    write_private(&folder.ca_certificate(), ca.as_bytes())?;
    write_private(&folder.ca_key(), ca_key.as_bytes())?;
    let ca_fingerprint = Authority::from_pem(ca, &ca_key)?.fingerprint();
    keys::publish(&folder, &owner_keys)?;
    write_private(&folder.config(), settings::text(&arguments.host).as_bytes())?;
    let admin_token = first_token(&folder)?;
    Ok(Made { folder: path.clone(), owner_keys, host, ca_fingerprint, admin_token })
}

fn first_token(folder: &Folder) -> anyhow::Result<String> {
    let wish =
        NewToken { kind: Kind::Api, uses: None, expires_seconds: None, label: "admin".into(), device: None };
    let (row, token) = make(&wish, now_ms())?;
    let store = Store::open(&folder.database())?;
    tokio::runtime::Builder::new_current_thread()
        .build()?
        .block_on(store.write(move |tx| tokens::put(tx, &row)))?;
    Ok(token)
}

fn beside(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push("-owner-keys");
    folder.with_file_name(name)
}

/// A folder that only its owner can look into.
fn make_private(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

/// A new file that only its owner can read.
fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .with_context(|| format!("cannot write {}", path.display()))
}

impl Made {
    /// What machines read after `init`.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "admin_token": self.admin_token,
            "ca_fingerprint": self.ca_fingerprint,
            "folder": self.folder,
            "owner_keys": self.owner_keys,
        })
    }

    /// What people read after `init`.
    pub fn story(&self) -> String {
        let Self { folder, owner_keys, host, ca_fingerprint, admin_token } = self;
        let (folder, owner_keys) = (folder.display(), owner_keys.display());
        format!(
            "Made {folder}\n\n\
             admin token (shown this once)  {admin_token}\n\
             CA fingerprint                 {ca_fingerprint}\n\
             owner's keys                   {owner_keys}   (root and release: move them off this machine)\n\n\
             What to do next:\n  \
             dunlin-server run {folder}\n  \
             dunlin login https://{host}:8443 --ca {ca_fingerprint} --token {admin_token} \\\n      \
             --owner-keys {owner_keys}\n  \
             dunlin token create\n"
        )
    }
}
