//! A simple list of alerts: opened by findings, closed when they stay away.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_protocol::{DeviceId, ModelName};
use serde::{Deserialize, Serialize};

use crate::policy::Policy;

/// How soon someone should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Something is worse than it should be.
    Warning,
    /// Someone must act.
    Critical,
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertState {
    /// It holds.
    Open,
    /// It holds, and a person has seen it.
    Acknowledged,
    /// It is over.
    Closed,
}

/// Something that holds now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable word: `drift`, `sensor-fault`, `accuracy`, `offline`, `records-dropped`, …
    pub kind: String,
    /// How soon someone should look.
    pub severity: Severity,
    /// The model concerned.
    pub model: Option<ModelName>,
    /// The feature concerned.
    pub feature: Option<String>,
    /// The device concerned; `None` for the fleet.
    pub device: Option<DeviceId>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// One sentence.
    pub message: String,
}

impl Finding {
    /// What makes two findings the same alert: everything but time, weight and words.
    pub fn key(&self) -> String {
        let text = |part: Option<&str>| part.unwrap_or("-").to_owned();
        [
            self.kind.clone(),
            text(self.model.as_ref().map(ModelName::as_str)),
            text(self.feature.as_deref()),
            text(self.device.as_ref().map(DeviceId::as_str)),
        ]
        .join("/")
    }
}

/// A finding that is being followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// [`Finding::key`] and the time it opened, which together name it.
    pub id: String,
    /// The latest finding.
    pub finding: Finding,
    /// When it was last found, in milliseconds since 1970.
    pub last_ms: i64,
    /// Where it stands.
    pub state: AlertState,
}

/// A change of the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", content = "alert", rename_all = "kebab-case")]
pub enum AlertChange {
    /// A new alert.
    Open(Alert),
    /// The same alert, with newer words, weight or time.
    Update(Alert),
    /// It is over.
    Close(Alert),
}

/// Compares the open alerts with what holds now. An alert closes only after its finding has stayed away for
/// [`Policy::close_after_ms`], so that one quiet window does not close it and the next open it again. A closed
/// alert in `previous` is ignored. Two findings of one key count as the first.
pub fn alerts(previous: &[Alert], findings: &[Finding], policy: &Policy, now_ms: i64) -> Vec<AlertChange> {
    let mut changes = Vec::new();
    let mut open: BTreeMap<String, &Alert> = BTreeMap::new();
    for alert in previous.iter().filter(|alert| alert.state != AlertState::Closed) {
        open.entry(alert.finding.key()).or_insert(alert);
    }
    let mut done: BTreeSet<String> = BTreeSet::new();
    for finding in findings {
        let key = finding.key();
        if !done.insert(key.clone()) {
            continue;
        }
        match open.get(&key) {
            Some(alert) => {
                // It began when it first began; what got worse wants to be seen again.
                let since_ms = alert.finding.since_ms.min(finding.since_ms);
                let worse = finding.severity > alert.finding.severity;
                let state = if worse { AlertState::Open } else { alert.state };
                let finding = Finding { since_ms, ..finding.clone() };
                changes.push(AlertChange::Update(Alert {
                    finding,
                    last_ms: now_ms,
                    state,
                    ..(*alert).clone()
                }));
            }
            None => {
                let id = format!("{key}@{now_ms}");
                let state = AlertState::Open;
                changes.push(AlertChange::Open(Alert {
                    id,
                    finding: finding.clone(),
                    last_ms: now_ms,
                    state,
                }));
            }
        }
    }
    for (_, alert) in open.iter().filter(|(key, _)| !done.contains(*key)) {
        if now_ms.saturating_sub(alert.last_ms) >= policy.close_after_ms {
            changes.push(AlertChange::Close(Alert { state: AlertState::Closed, ..(*alert).clone() }));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity) -> Finding {
        Finding {
            kind: "drift".into(),
            severity,
            model: Some("rain".parse().unwrap()),
            feature: Some("dew_point_f".into()),
            device: None,
            since_ms: 1000,
            message: "dew_point_f drifts on 6 of 24 devices".into(),
        }
    }

    #[test]
    fn an_alert_opens_once_and_closes_only_after_a_quiet_time() {
        let policy = Policy { close_after_ms: 100, ..Policy::default() };
        let opened = alerts(&[], &[finding(Severity::Warning), finding(Severity::Warning)], &policy, 2000);
        let [AlertChange::Open(alert)] = opened.as_slice() else { panic!("{opened:?}") };
        let alert = alert.clone();
        assert_eq!(alerts(std::slice::from_ref(&alert), &[], &policy, 2099), []);
        let again = alerts(std::slice::from_ref(&alert), &[finding(Severity::Warning)], &policy, 2099);
        assert!(
            matches!(again.as_slice(), [AlertChange::Update(a)] if a.id == alert.id && a.last_ms == 2099)
        );
        let closed = alerts(std::slice::from_ref(&alert), &[], &policy, 2100);
        let [AlertChange::Close(closed)] = closed.as_slice() else { panic!("{closed:?}") };
        assert_eq!(closed.state, AlertState::Closed);
        let anew = alerts(std::slice::from_ref(closed), &[finding(Severity::Warning)], &policy, 3000);
        assert!(matches!(anew.as_slice(), [AlertChange::Open(a)] if a.id != alert.id));
    }

    #[test]
    fn an_acknowledged_alert_stays_quiet_unless_it_gets_worse() {
        let seen = Alert {
            id: "x".into(),
            finding: finding(Severity::Warning),
            last_ms: 0,
            state: AlertState::Acknowledged,
        };
        for (severity, state) in
            [(Severity::Warning, AlertState::Acknowledged), (Severity::Critical, AlertState::Open)]
        {
            let changes = alerts(std::slice::from_ref(&seen), &[finding(severity)], &Policy::default(), 5);
            assert!(
                matches!(changes.as_slice(), [AlertChange::Update(a)] if a.state == state),
                "{changes:?}"
            );
        }
    }
}
