//! Where log lines go: to the journal with their fields where systemd starts the agent, to standard error else.

use std::{io::IsTerminal as _, os::linux::fs::MetadataExt as _};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// Begins to log. `DUNLIN_LOG` chooses what: `info` where it is not set, `debug`, `dunlin_agent::link=trace`, …
pub fn start() {
    let wish = std::env::var("DUNLIN_LOG").ok();
    let filter = wish.as_deref().and_then(|wish| wish.parse::<Targets>().ok());
    let understood = wish.is_none() || filter.is_some();
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let journal = if in_journal() { tracing_journald::layer().ok() } else { None };
    let layer = match journal {
        Some(journal) => journal.with_syslog_identifier("dunlin-agent".to_owned()).boxed(),
        None => {
            // Colours are for people who look, not for a file.
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours).boxed()
        }
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
    if !understood {
        tracing::warn!(
            "DUNLIN_LOG is not understood; give a level (error, warn, info, debug, trace) or TARGET=LEVEL,…"
        );
    }
}

/// Whether standard error is the journal's: systemd names its device and inode (`systemd.exec(5)`, `$JOURNAL_STREAM`).
fn in_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    stream == format!("{}:{}", stderr.st_dev(), stderr.st_ino())
}
