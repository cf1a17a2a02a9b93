//! The pieces that several sample pages share.

use dunlin_dashboard::views::*;

/// 2026-11-23 07:00 UTC.
pub const NOW: i64 = 1_795_417_200_000;
pub const MINUTE: i64 = 60_000;

pub fn frame() -> Frame {
    Frame {
        fleet: "Coast stations".into(),
        address: "https://fleet.example:8443".into(),
        now_ms: NOW,
        alerts_open: 3,
        viewer: Some("admin".into()),
        zoom: false,
    }
}

pub fn series(name: &str, base: f64, swing: f64) -> Series {
    let points = (0..60).map(|k| {
        let value = base + swing * (f64::from(k) / 6.0).sin();
        (NOW - (60 - i64::from(k)) * MINUTE, (k != 30).then_some(value))
    });
    Series { name: name.into(), points: points.collect() }
}

pub fn device(k: usize, name: &str) -> DeviceRow {
    DeviceRow {
        id: format!("{name}{k:02}"),
        status: DeviceStatus::ALL[if k < 20 { 0 } else { k % 4 }],
        last_seen_ms: Some(NOW - 12_000 - 40_000 * k as i64),
        serving: vec![Served { name: "rain".into(), version: "1.1.0".into(), compared: k != 3 }],
        update: Some(Update {
            model: "rain-1.1.0".into(),
            state: if k == 5 { "RolledBack" } else { "Committed" }.into(),
            since_ms: NOW - 7 * MINUTE,
            reason: Some(name.into()),
            rollout: Some("r7".into()),
        }),
        agent: "0.1.0".into(),
        modes: if k > 0 { vec!["simulated".into()] } else { vec![] },
        inferences: series("i", 60.0, 9.0).points.into_iter().map(|p| p.1).collect(),
        drifting: if k % 5 == 1 { vec!["dew_point_f".into()] } else { vec![] },
        faulty: if k == 4 { vec![format!("pressure{name}")] } else { vec![] },
        spooled: if k > 20 { 312 } else { 0 },
    }
}

pub fn command(name: &str) -> Vec<Command> {
    let action = |verb: &str| format!("/api/v1/rollouts/r7/{verb}");
    vec![
        Command { text: "Resume".into(), action: action("resume"), confirm: None },
        Command { text: "Abort".into(), action: action("abort"), confirm: Some(format!("End {name}?")) },
    ]
}

pub fn version(name: &str, version: &str, stage: Stage) -> VersionRow {
    VersionRow {
        name: format!("rain{name}"),
        version: version.into(),
        stage,
        champion: version == "1.1.0",
        compared: version != "1.2.0",
        created_ms: NOW - 90 * MINUTE,
        bytes: 48_128,
        devices: 23,
        metric: Some(("roc_auc".into(), 0.8123)),
        origin: format!("trained on weather_2001 {name}"),
    }
}

pub fn rollout_row(name: &str) -> RolloutRow {
    RolloutRow {
        id: "r7".into(),
        model: format!("rain-1.2.0{name}"),
        phase: RolloutPhase::Paused,
        reason: Some(format!("wave 2 halted: 31 % wrong answers against 12 % in the control group {name}")),
        wave: (2, 4),
        done: 5,
        failed: 2,
        total: 24,
        started_ms: NOW - 40 * MINUTE,
        ended_ms: None,
    }
}
