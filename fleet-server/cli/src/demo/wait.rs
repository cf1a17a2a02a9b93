//! Asking again until something is so, with a deadline and with what was seen last.

use std::time::{Duration, Instant};

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};

/// What one look found.
pub enum Look<T> {
    /// It is so.
    Done(T),
    /// Not yet; how far it is, in words.
    NotYet(String),
}

/// Looks every quarter second until it is done. Errors of a look count as "not yet": servers may be starting.
pub async fn until<T, F>(what: &str, limit: Duration, mut look: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Look<T>>>,
{
    let spinner = ProgressBar::new_spinner();
    spinner.set_style(ProgressStyle::with_template("  {spinner} {msg}")?);
    spinner.enable_steady_tick(Duration::from_millis(120));
    let start = Instant::now();
    let mut seen = String::new();
    while start.elapsed() < limit {
        match look().await {
            Ok(Look::Done(value)) => {
                spinner.finish_and_clear();
                return Ok(value);
            }
            Ok(Look::NotYet(words)) => seen = words,
            Err(error) => seen = format!("{error:#}"),
        }
        spinner.set_message(format!("{what}: {seen}"));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    spinner.finish_and_clear();
    bail!("waited {} s in vain until {what}; last seen: {seen}", limit.as_secs())
}
