//! `dunlin login`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use dunlin_trust::pin::Fingerprint;
use serde_json::{Value, json};

use super::Session;
use crate::{
    client::{self, Api},
    profile::Profile,
};

/// Arguments of `dunlin login`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Address of the server, for example `https://fleet.example:8443`.
    server: String,
    /// Fingerprint of the server's certificate authority, as `dunlin-server init` printed it.
    #[arg(long, value_name = "SHA256")]
    ca: Option<Fingerprint>,
    /// API token.
    #[arg(long, env = "DUNLIN_TOKEN", hide_env_values = true)]
    token: String,
    /// Folder with the owner's keys, if they are on this machine.
    #[arg(long, value_name = "DIR")]
    owner_keys: Option<PathBuf>,
}

/// Checks that server and token answer, then remembers them.
pub async fn run(session: &Session, arguments: Arguments) -> anyhow::Result<()> {
    let profile = connect(arguments).await?;
    let path = Profile::path(session.profile.as_deref())?;
    profile.save(&path)?;
    let value = json!({"server": profile.server, "profile": path});
    session.print(&value, |_| {
        println!(
            "Logged in to {}. Next: `dunlin device list`, or `dunlin token create` to add a device.",
            profile.server
        );
    })
}

async fn connect(arguments: Arguments) -> anyhow::Result<Profile> {
    let authority = match (arguments.ca, arguments.server.starts_with("https://")) {
        (Some(pin), true) => Some(STANDARD.encode(client::find_authority(&arguments.server, pin).await?)),
        (Some(_), false) => bail!("--ca needs an address that begins with https://"),
        (None, _) => None,
    };
    let owner_keys = arguments
        .owner_keys
        .map(|folder| folder.canonicalize().with_context(|| format!("no folder {}", folder.display())))
        .transpose()?;
    let profile = Profile { server: arguments.server, authority, token: arguments.token, owner_keys };
    let _: Value = Api::new(&profile)?.get("/devices?limit=1").await?;
    Ok(profile)
}
