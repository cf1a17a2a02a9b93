//! What holds now and someone should know: drift, broken sensors, lost accuracy, silent devices. Pure.

use dunlin_monitoring::{Finding, Policy, Severity, accuracy};
use dunlin_protocol::{ModelRef, statistics::LabelStatistics};

use super::board::{Board, ModelBoard};
use crate::fleet::{Known, Status};

/// A device that is away for less than this, in milliseconds, is no matter.
const AWAY_MS: i64 = 10 * 60 * 1000;

/// All findings.
pub fn findings(board: &Board, devices: &[Known], policy: &Policy, now_ms: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    for (model, on) in board.models.iter().filter(|(_, on)| on.is_alive(now_ms)) {
        found.extend(inputs(model, on, now_ms));
        found.extend(labels(model, on, policy, now_ms));
    }
    found.extend(devices.iter().filter_map(|known| away(known, now_ms)));
    found
}

fn inputs(model: &ModelRef, board: &ModelBoard, now_ms: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    for finding in &board.findings {
        let about = |kind: &str, device, message: String| Finding {
            kind: kind.to_owned(),
            severity: Severity::Warning,
            model: Some(model.name.clone()),
            feature: Some(finding.feature.clone()),
            device,
            since_ms: finding.since_ms.unwrap_or(now_ms),
            message,
        };
        found.extend(finding.drift.iter().map(|drift| about("drift", None, drift.clone())));
        for (device, fault) in &finding.faulty {
            let message = format!("{} on {device} {}", finding.feature, fault.sentence());
            found.push(about("sensor-fault", Some(device.clone()), message));
        }
    }
    found
}

/// The error share on the hold-out and its rows, as the trainer wrote them into the bundle's facts.
fn expected(board: &ModelBoard) -> Option<(f64, u64)> {
    let facts = serde_json::to_value(&board.manifest.facts).ok()?;
    let accuracy = ["/metrics/accuracy", "/report/metrics/accuracy"]
        .iter()
        .find_map(|path| facts.pointer(path)?.as_f64())?;
    let rows =
        ["/rows/holdout", "/report/rows/holdout"].iter().find_map(|path| facts.pointer(path)?.as_u64());
    Some((1.0 - accuracy, rows.unwrap_or(1000)))
}

fn labels(model: &ModelRef, board: &ModelBoard, policy: &Policy, now_ms: i64) -> Option<Finding> {
    let (error, rows) = expected(board)?;
    let mut sum = LabelStatistics::default();
    let alive = board.devices.values().filter(|device| device.is_alive(now_ms));
    alive.flat_map(|device| device.history.iter()).for_each(|window| sum.merge(&window.labels));
    let verdict = accuracy(sum.count, sum.errors, error, rows, policy).filter(|verdict| verdict.worse)?;
    Some(Finding {
        kind: "accuracy".into(),
        severity: Severity::Critical,
        model: Some(model.name.clone()),
        feature: None,
        device: None,
        since_ms: now_ms,
        message: format!("{model}: {}", verdict.sentence),
    })
}

fn away(known: &Known, now_ms: i64) -> Option<Finding> {
    let status = known.status(now_ms);
    let age = known.age_ms(now_ms).filter(|age| *age >= AWAY_MS)?;
    matches!(status, Status::Offline | Status::Stale).then(|| Finding {
        kind: "device-offline".into(),
        severity: Severity::Notice,
        model: None,
        feature: None,
        device: Some(known.id.clone()),
        since_ms: now_ms - age,
        message: format!("{} was not heard of for {} minutes", known.id, age / 60_000),
    })
}
