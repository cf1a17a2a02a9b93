//! systemd's notification protocol (`sd_notify(3)`): ready, status, watchdog, stopping.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use super::progress::{Judge, Progress};

/// How often the status line is renewed where no watchdog asks for more.
const STATUS_EVERY: Duration = Duration::from_secs(20);

/// The agent can be asked from now on.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// The agent was told to end.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Tells `status`, and feeds the watchdog as long as work makes `progress`; `window` is the time between two
/// statistics windows. Once something hangs it says what, and lets the manager end the agent and start it anew.
pub async fn run(
    progress: &Progress,
    window: Duration,
    status: impl Fn() -> String,
    stop: CancellationToken,
) {
    let every = sd_notify::watchdog_enabled().map_or(STATUS_EVERY, |limit| (limit / 3).min(STATUS_EVERY));
    let began = Instant::now();
    let mut judge = Judge::new(progress.seen(), window, began.elapsed());
    let mut tick = tokio::time::interval(every.max(Duration::from_millis(100)));
    let mut said = false;
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
        let status = status();
        match judge.look(progress.seen(), began.elapsed()) {
            // The threads that run models and write to disk must be free, too, not only this task.
            None => match tokio::task::spawn_blocking(|| ()).await {
                Ok(()) => send(&[NotifyState::Status(&status), NotifyState::Watchdog]),
                Err(error) => tracing::error!(%error, "no thread is free for work"),
            },
            Some(stall) if !said => {
                said = true;
                tracing::error!("{stall}: the watchdog is not fed any more");
                send(&[NotifyState::Status(&format!("hangs: {stall}"))]);
            }
            Some(_) => {}
        }
    }
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
