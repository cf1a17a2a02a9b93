//! What `dunlin login` remembers: where the server is, which authority vouches for it, and the token.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// A server and the right to speak to it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// For example `https://fleet.example:8443`.
    pub server: String,
    /// DER of the server's certificate authority, base64; absent for plain HTTP and public certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// API token.
    pub token: String,
    /// Folder with the owner's keys, where `model sign` finds the release key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_keys: Option<PathBuf>,
}

impl Profile {
    /// Where the profile is, given what the command line says.
    pub fn path(named: Option<&Path>) -> anyhow::Result<PathBuf> {
        if let Some(path) = named {
            return Ok(path.to_owned());
        }
        let base = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".config")))
            .context("neither XDG_CONFIG_HOME nor HOME is set; name a file with --profile")?;
        Ok(base.join("dunlin").join("profile.json"))
    }

    /// Reads the profile.
    pub fn load(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = Self::path(named)?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "no server is known yet: {} does not exist; run `dunlin login https://SERVER:8443 --ca sha256:… \
                 --token …` (`dunlin-server init` printed the line)",
                path.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged; log in again with `dunlin login`", path.display()))
    }

    /// Writes the profile, readable by its owner only.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let partial = path.with_extension("partial");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)
            .with_context(|| format!("cannot write {}", partial.display()))?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
    }
}
