//! `dunlin tap`: CBOR made as easy to watch as text.

use std::io::Write;

use super::Session;

/// Arguments of `dunlin tap`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only this device.
    #[arg(long)]
    device: Option<String>,
    /// Only this channel: state, desired, window, event, sample, reply.
    #[arg(long)]
    channel: Option<String>,
    /// Stop after this many messages.
    #[arg(long)]
    count: Option<u64>,
}

/// Prints messages until the count is reached, the server ends or Ctrl-C.
pub async fn run(session: &Session, arguments: Arguments) -> anyhow::Result<()> {
    let mut filter = Vec::new();
    for (key, value) in [("device", &arguments.device), ("channel", &arguments.channel)] {
        if let Some(value) = value {
            filter.push(format!("{key}={value}"));
        }
    }
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let path = format!("/tap?{}", filter.join("&"));
    session
        .api()?
        .events(&path, |line| {
            writeln!(std::io::stdout(), "{line}")?;
            left -= 1;
            Ok(left > 0)
        })
        .await
}
