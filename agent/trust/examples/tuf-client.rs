//! A TUF client for the command line, with the three verbs of the public conformance suite.
//!
//! ```text
//! tuf-client --metadata-dir D init ROOT
//! tuf-client --metadata-dir D --metadata-url U refresh
//! tuf-client --metadata-dir D --metadata-url U --target-name N … --target-base-url B --target-dir O download
//! ```
//! D holds `root.json timestamp.json snapshot.json targets.json` and delegated roles byte for byte as served; O
//! gets each target under its percent-encoded name. Exit 0 only if all of it succeeded. The system clock alone
//! judges expiry: the build time is not a floor here, so that recorded repositories can be replayed.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dunlin_trust::{Client, Config, Transport, TrustStore, quote};
use jiff::Timestamp;

/// Refresh TUF metadata and download verified targets.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder of the trusted metadata.
    #[arg(long)]
    metadata_dir: PathBuf,
    /// Address of the repository's metadata.
    #[arg(long)]
    metadata_url: Option<String>,
    /// Name of a target; may be given several times.
    #[arg(long)]
    target_name: Vec<String>,
    /// Address of the repository's targets.
    #[arg(long)]
    target_base_url: Option<String>,
    /// Folder for downloaded targets.
    #[arg(long)]
    target_dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Begin trust in a root.json that came by a safe way.
    Init {
        /// The trusted root.json.
        root: PathBuf,
    },
    /// Bring the metadata up to date.
    Refresh,
    /// Bring the metadata up to date and download targets.
    Download,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        anyhow::bail!("another TLS crypto provider was installed before ring");
    }
    let arguments = Arguments::parse();
    match &arguments.verb {
        Verb::Init { root } => {
            let bytes = std::fs::read(root).with_context(|| format!("cannot read {}", root.display()))?;
            TrustStore::create(&arguments.metadata_dir, &bytes)?;
        }
        Verb::Refresh => {
            client(&arguments, None)?.refresh_top_level(Timestamp::now()).await?;
        }
        Verb::Download => download(&arguments).await?,
    }
    Ok(())
}

async fn download(arguments: &Arguments) -> Result<()> {
    let folder = arguments.target_dir.as_ref().context("--target-dir is needed to download")?;
    let base = arguments.target_base_url.as_deref().context("--target-base-url is needed to download")?;
    anyhow::ensure!(!arguments.target_name.is_empty(), "--target-name is needed to download");
    let mut client = client(arguments, Some(base))?;
    client.refresh_top_level(Timestamp::now()).await?;
    for name in &arguments.target_name {
        let target = client.find_target(name).await?;
        client.download(&target, &folder.join(file_name(name)), |_| {}).await?;
    }
    Ok(())
}

fn client(arguments: &Arguments, targets: Option<&str>) -> Result<Client> {
    let metadata = arguments.metadata_url.as_deref().context("--metadata-url is needed")?;
    let store = TrustStore::open(&arguments.metadata_dir)?;
    let transport = Transport::new(reqwest::Client::new(), metadata, targets.unwrap_or(metadata))?;
    let config = Config { not_before: Timestamp::UNIX_EPOCH, ..Config::default() };
    Ok(Client::new(store, transport).with_config(config))
}

/// The name under which a target is kept: encoded, and never a folder's own name.
fn file_name(target: &str) -> String {
    match quote(target).as_str() {
        "." => "%2E".into(),
        ".." => "%2E%2E".into(),
        name => name.to_owned(),
    }
}
