//! Keeps making connections until it is told to stop.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    backoff,
    connection::{self, End, Parts},
};

/// A connection that held this long makes the next attempts quick again.
const HELD: Duration = Duration::from_secs(30);

/// Runs until `stop`; `now_ms` is the device's clock.
pub async fn run(parts: Parts, now_ms: impl Fn() -> i64, stop: CancellationToken) {
    let mut failures = 0_u32;
    let max = Duration::from_secs(parts.config.backoff_max_seconds.max(1));
    let mut weather = parts.weather.clone();
    parts.health.change(|report| report.since_ms = now_ms());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            fair = turns_fair(&mut weather) => if !fair { return },
        }
        let mut up_since = None;
        let up = || {
            up_since = Some(Instant::now());
            parts.health.change(|report| {
                (report.connected, report.since_ms) = (true, now_ms());
                report.last_error = None;
                report.connections += 1;
            });
            tracing::info!(device.id = %parts.device, "connected");
        };
        let end = connection::run(&parts, stop.cancelled(), up).await;
        let error = match end {
            End::Goodbye => return,
            End::Lost(error) => format!("{error:#}"),
        };
        parts.health.change(|report| {
            if report.connected {
                (report.connected, report.since_ms) = (false, now_ms());
            }
            report.last_error = Some(error.clone());
        });
        let held = up_since.is_some_and(|since: Instant| since.elapsed() >= HELD);
        failures = if held { 0 } else { failures.saturating_add(1) };
        let pause = backoff::pause(failures, max, rand::random());
        tracing::warn!(device.id = %parts.device, %error, retry_ms = pause.as_millis() as u64, "offline");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Waits for a network; false when none will ever come.
async fn turns_fair(weather: &mut watch::Receiver<bool>) -> bool {
    weather.wait_for(|fair| *fair).await.is_ok()
}
