//! Every page with sample values. `name` stands wherever a device or a model could choose the text.

mod parts;

use dunlin_dashboard::{pages, views::*};
use parts::*;

/// All pages, by file name.
pub fn pages(name: &str) -> Vec<(&'static str, String)> {
    let frame = frame();
    let sentence = format!(
        "dew_point_f{name} drifts on 6 of 24 stations since 14:02; the others agree with the reference"
    );
    let features: Vec<String> =
        ["temperature_f", "dew_point_f", "pressure_hpa", "wind_speed_knots", "visibility_miles", "station"]
            .iter()
            .map(|f| format!("{f}{name}"))
            .collect();
    let markers = vec![Marker { at_ms: NOW - 25 * MINUTE, label: format!("rain-1.1.0{name}") }];
    let mut cells = Vec::new();
    for column in 0..24_i64 {
        for (k, feature) in features.iter().enumerate() {
            let verdict = match (k, column) {
                (1, 14..) => Verdict::Drift,
                (1, 12..14) => Verdict::Notice,
                (2, 6..9) => Verdict::SensorFault,
                (5, 0..3) => Verdict::TooFew,
                _ => Verdict::Ok,
            };
            cells.push(DriftCell {
                start_ms: NOW - (24 - column) * 60 * MINUTE,
                end_ms: NOW - (23 - column) * 60 * MINUTE,
                feature: feature.clone(),
                psi: Some(if verdict == Verdict::Drift {
                    0.04 * column as f64
                } else {
                    0.01 * (column % 5) as f64
                }),
                limit: Some(0.05),
                verdict,
                devices_drifting: 6,
                devices_seen: 24,
                n: 1440,
            });
        }
    }
    let edges: Vec<f64> = (0..=40).map(|k| f64::from(k) * 2.0 - 8.0).collect();
    let bell = |middle: f64| {
        (0..40).map(|k| (-((f64::from(k) - middle) / 7.0).powi(2)).exp() * 90.0).collect::<Vec<_>>()
    };
    let bars = Bars::Numeric { edges, reference: bell(18.0), window: bell(26.0), below: 0.0, above: 24.0 };
    let decision = Decision {
        tone: Tone::Bad,
        title: format!("Rollout of rain-1.2.0{name} is halted"),
        detail: "Wave 2: 31 % wrong answers against 12 % in the control group.".into(),
        since_ms: Some(NOW - 9 * MINUTE),
        link: Some(Link { text: "Look".into(), href: "/rollouts/r7".into() }),
        commands: command(name),
    };
    let hostile = Decision {
        title: "A sensor is stuck".into(),
        detail: format!("pressure_hpa on st04{name} gives one value since 02:10."),
        tone: Tone::Warning,
        link: Some(Link { text: "Look".into(), href: "javascript:alert(1)".into() }),
        ..Decision::default()
    };
    let counts = StatusCounts { online: 23, stale: 1, offline: 1, enrolled: 0, revoked: 0 };
    let fleet = FleetPage {
        frame: frame.clone(),
        counts,
        sentences: vec![sentence.clone(), format!("pressure_hpa is stuck on one station {name}")],
        decisions: vec![hostile, decision],
        devices: (0..24).map(|k| device(k, &format!("st{name}"))).collect(),
        matching: 25,
        filter: FleetFilter { text: Some(name.into()), ..FleetFilter::default() },
        models: vec![format!("rain-1.1.0{name}")],
        next_after: Some(format!("st23{name}")),
    };
    let one = DevicePage {
        frame: frame.clone(),
        device: device(4, name),
        enrolled_ms: NOW - 9000 * MINUTE,
        words: ["amber", "gull", "tide", name].map(str::to_owned).to_vec(),
        clock: Some("synchronised".into()),
        desired: vec![format!("rain-1.1.0{name}")],
        generation: (8, 7),
        updates: vec![device(5, name).update.unwrap_or_default()],
        system: Some(System {
            cpu: 0.21,
            memory_used_bytes: 310_000_000,
            memory_total_bytes: 1_000_000_000,
            agent_bytes: 11_300_000,
            disk_free_bytes: 21_000_000_000,
            temperature_c: Some(51.5),
            uptime_seconds: 400_000,
            architecture: "aarch64".into(),
            system: format!("Debian 12 {name}"),
        }),
        spool: Some(Spool { records: 312, bytes: 1_100_000, limit_bytes: 64_000_000, dropped: 0 }),
        features: features
            .iter()
            .enumerate()
            .map(|(k, f)| FeatureRow {
                model: "rain".into(),
                name: f.clone(),
                unit: Some("°F".into()),
                verdict: if k == 1 { Verdict::Drift } else { Verdict::Ok },
                psi: Some(0.021),
                limit: Some(0.048),
                n: 60,
                missing: 0.01,
                mean: Some(51.2),
                min: Some(-3.0),
                max: Some(81.0),
                trend: series("", 50.0, 4.0).points.into_iter().map(|p| p.1).collect(),
            })
            .collect(),
        inferences: series("inferences", 60.0, 9.0),
        latency: vec![series("p50", 42.0, 5.0), series(&format!("p99{name}"), 90.0, 30.0)],
        classes: vec![series("dry", 0.7, 0.1), series(&format!("rain{name}"), 0.3, 0.1)],
        markers: markers.clone(),
        events: vec![DeviceEvent {
            at_ms: NOW - 3 * MINUTE,
            tone: Tone::Warning,
            code: "source-failed".into(),
            message: format!("the source gave no row for 20 s {name}"),
        }],
        commands: command(name),
    };
    let models = ModelsPage {
        frame: frame.clone(),
        models: vec![ModelRow {
            name: format!("rain{name}"),
            versions: vec![
                version(name, "1.2.0", Stage::Candidate),
                version(name, "1.1.0", Stage::Release),
                version(name, "1.0.0", Stage::Release),
            ],
            quality: series("accuracy", 0.8, 0.04),
            markers: markers.clone(),
        }],
        jobs: vec![
            JobRow {
                id: "j3".into(),
                kind: "train".into(),
                subject: format!("rain from weather_2004 {name}"),
                state: JobState::Running,
                progress: 0.62,
                step: "fold 4 of 6".into(),
                created_ms: NOW - MINUTE,
                ..JobRow::default()
            },
            JobRow {
                id: "j2".into(),
                kind: "train".into(),
                subject: "rain from weather_2001".into(),
                state: JobState::Done,
                progress: 1.0,
                created_ms: NOW - 91 * MINUTE,
                result: Some(("rain".into(), "1.1.0".into())),
                summary: Some("roc_auc 0.812; baseline 0.5, champion 0.790".into()),
                ..JobRow::default()
            },
            JobRow {
                id: "j1".into(),
                kind: "train".into(),
                subject: "rain from broken".into(),
                state: JobState::Failed,
                created_ms: NOW - 95 * MINUTE,
                error: Some(format!("column rain{name} is missing")),
                ..JobRow::default()
            },
        ],
        datasets: vec![DatasetRow {
            id: "5f2c9a77d1e04b".repeat(4),
            name: format!("weather_2001{name}"),
            rows: 8_760,
            columns: 9,
            created_ms: NOW - 200 * MINUTE,
        }],
    };
    let model = ModelPage {
        frame: frame.clone(),
        version: version(name, "1.2.0", Stage::Candidate),
        probe: Some(Probe {
            ok: true,
            checks: vec![ProbeCheck {
                name: "golden vectors".into(),
                ok: true,
                detail: format!("32 rows within 1e-5 {name}"),
            }],
            latency_us: Some((38.0, 61.0)),
            memory_bytes: Some(13_000_000),
        }),
        features: features
            .iter()
            .map(|f| FeatureInput {
                name: f.clone(),
                unit: Some("°F".into()),
                range: Some((-60.0, 140.0)),
                categories: vec![name.into()],
            })
            .collect(),
        task: "classification".into(),
        labels: vec!["dry".into(), format!("rain{name}")],
        metrics: vec![MetricRow {
            name: "roc_auc".into(),
            value: 0.8123,
            baseline: Some(0.5),
            champion: Some(0.79),
            lower_is_better: false,
        }],
        confusion: Some(Confusion {
            labels: vec!["dry".into(), format!("rain{name}")],
            counts: vec![vec![1211, 140], vec![190, 411]],
        }),
        target: Some((format!("rain-1.2.0{name}.dunlin"), "5f2c9a77d1e04b".repeat(4))),
        card: format!("# rain 1.2.0\n{name}"),
        rollouts: vec![rollout_row(name)],
        commands: command(name),
    };
    let waves = [
        (5.0, WaveState::Passed, 2, 2, 0, 0),
        (25.0, WaveState::Failed, 4, 1, 2, 1),
        (50.0, WaveState::Waiting, 6, 0, 0, 0),
        (100.0, WaveState::Waiting, 12, 0, 0, 0),
    ];
    let rollout = RolloutPage {
        frame: frame.clone(),
        rollout: rollout_row(name),
        waves: waves
            .iter()
            .map(|(percent, state, devices, success, failure, working)| WaveView {
                percent: *percent,
                devices: *devices,
                success: *success,
                failure: *failure,
                working: *working,
                state: *state,
                soak_seconds: 600,
                started_ms: None,
                verdict: (*state == WaveState::Failed)
                    .then(|| format!("wrong answers 19 points above the control group {name}")),
            })
            .collect(),
        devices: (0..6)
            .map(|k| RolloutDevice {
                id: format!("st{k:02}{name}"),
                wave: k / 2,
                state: [DeploymentState::Success, DeploymentState::Failure, DeploymentState::Installing]
                    [k % 3],
                detail: format!("Probation {name}"),
                since_ms: Some(NOW - 70_000),
            })
            .collect(),
        control: Some(GroupHealth {
            devices: 18,
            inferences: 61_200,
            failures: 3,
            error_ratio: Some(0.12),
            latency_p99_us: Some(90.0),
            confidence: Some(0.81),
        }),
        treatment: Some(GroupHealth {
            devices: 5,
            inferences: 9_120,
            failures: 0,
            error_ratio: Some(0.31),
            latency_p99_us: Some(93.0),
            confidence: Some(0.62),
        }),
        gates: vec![
            format!("errors 5 points above the control group {name}"),
            "more than 5 % failed updates".into(),
        ],
        errors: vec![series("control", 0.12, 0.02), series(&format!("treatment{name}"), 0.29, 0.04)],
        markers: markers.clone(),
        commands: command(name),
    };
    let drift = DriftPage {
        frame: frame.clone(),
        models: vec![format!("rain{name}")],
        model: Some(format!("rain{name}")),
        hours: 24,
        sentences: vec![sentence.clone()],
        features: features.clone(),
        cells,
        markers,
    };
    let cell = DriftCellPage {
        frame: frame.clone(),
        model: format!("rain{name}"),
        feature: features[1].clone(),
        unit: Some(format!("°F{name}")),
        from_ms: NOW - 60 * MINUTE,
        to_ms: NOW,
        verdict: Verdict::Drift,
        sentence,
        bars,
        n: 8640,
        missing: (0.01, 0.02),
        statistics: vec![
            Statistic { name: "PSI".into(), value: 0.61, limit: Some(0.05) },
            Statistic { name: "KS".into(), value: 0.41, limit: Some(0.02) },
        ],
        devices: (0..4)
            .map(|k| DriftDevice {
                id: format!("st{k}{name}"),
                verdict: Verdict::Drift,
                psi: Some(0.71),
                limit: Some(0.05),
                n: 60,
                mean: Some(44.0),
                missing: 0.0,
                since_ms: Some(NOW - 300 * MINUTE),
                shares: bell(20.0 + k as f64),
            })
            .collect(),
    };
    let alert = |tone, state| AlertRow {
        id: "a1".into(),
        kind: "drift".into(),
        tone,
        model: Some(format!("rain{name}")),
        feature: Some(features[1].clone()),
        device: Some(format!("st04{name}")),
        since_ms: NOW - 300 * MINUTE,
        last_ms: NOW - MINUTE,
        message: format!("dew_point_f drifts on 6 of 24 stations {name}"),
        state,
    };
    let alerts = AlertsPage {
        frame: frame.clone(),
        alerts: vec![alert(Tone::Bad, AlertState::Open), alert(Tone::Warning, AlertState::Acknowledged)],
        filter: AlertsFilter { all: true, kind: Some(name.into()) },
    };
    let outside = Frame { viewer: None, alerts_open: 0, ..frame.clone() };
    vec![
        ("fleet", pages::fleet(&fleet)),
        ("fleet-empty", pages::fleet(&FleetPage { frame: frame.clone(), ..FleetPage::default() })),
        ("device", pages::device(&one)),
        ("models", pages::models(&models)),
        ("models-empty", pages::models(&ModelsPage { frame: frame.clone(), ..ModelsPage::default() })),
        ("model", pages::model(&model)),
        (
            "rollouts",
            pages::rollouts(&RolloutsPage {
                frame: frame.clone(),
                rollouts: vec![rollout_row(name)],
                releases: vec![],
            }),
        ),
        (
            "rollouts-empty",
            pages::rollouts(&RolloutsPage {
                frame: frame.clone(),
                rollouts: vec![],
                releases: vec![format!("rain-1.0.0{name}")],
            }),
        ),
        ("rollout", pages::rollout(&rollout)),
        ("drift", pages::drift(&drift)),
        ("drift-empty", pages::drift(&DriftPage { frame: frame.clone(), ..DriftPage::default() })),
        ("drift-cell", pages::drift_cell(&cell)),
        ("alerts", pages::alerts(&alerts)),
        (
            "login",
            pages::login(&LoginPage {
                frame: outside,
                refusal: Some(format!("the link was used already {name}")),
            }),
        ),
        (
            "error",
            pages::error(&ErrorPage {
                frame,
                status: 404,
                code: "unknown-device".into(),
                message: format!("There is no device {name}."),
                cure: Some("dunlin device list".into()),
            }),
        ),
    ]
}
