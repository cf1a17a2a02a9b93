//! From windows to cells and findings, with the real judge.

use dunlin_monitoring::Policy;
use dunlin_protocol::{
    DeviceId,
    bundle::Manifest,
    message::{ClockQuality, RecordId, Window},
    spec::{FeatureSpec, InputSpec, ModelSpec, Task},
    statistics::{
        Bins, FeatureReference, FeatureStatistics, LabelStatistics, LatencyHistogram, NumericRecorder,
        OutputStatistics, Reference,
    },
    tensor::Datatype,
};

use super::{
    board::{Board, ModelBoard},
    cells, findings,
};

const NOW: i64 = 1_700_000_000_000;

/// Evenly spread over [0, 1), in no order.
fn values(n: usize, shift: f32) -> impl Iterator<Item = f32> {
    (0..n).map(move |k| (k * 617 % 1000) as f32 / 1000.0 + shift)
}

fn counted(bins: &Bins, values: impl Iterator<Item = f32>) -> FeatureStatistics {
    let mut recorder = NumericRecorder::new(bins.clone());
    values.for_each(|value| recorder.observe(value));
    FeatureStatistics::Numeric(recorder.take())
}

/// A board with one model over one feature, and the feature's bins.
fn board() -> (Board, Bins) {
    let training: Vec<f32> = values(5000, 0.0).collect();
    let bins = Bins::from_values(&training).unwrap();
    let FeatureStatistics::Numeric(statistics) = counted(&bins, training.into_iter()) else { unreachable!() };
    let feature = FeatureReference::Numeric { bins: bins.clone(), statistics, spread: Vec::new() };
    let reference = Reference { rows: 5000, features: vec![feature], outputs: None };
    let spec = ModelSpec {
        task: Task::Other,
        inputs: vec![InputSpec {
            name: "x".into(),
            datatype: Datatype::Fp32,
            shape: vec![None, Some(1)],
            features: vec![FeatureSpec::named("dew_point_f")],
        }],
        outputs: Vec::new(),
        labels: Vec::new(),
        thresholds: Default::default(),
        target: None,
    };
    let manifest = Manifest::new("rain-1.0.0".parse().unwrap(), spec);
    let mut board = Board::default();
    board.models.insert("rain-1.0.0".parse().unwrap(), ModelBoard::new(manifest, Some(reference)));
    (board, bins)
}

fn window(minute: i64, input: FeatureStatistics) -> Window {
    Window {
        record: RecordId { boot: 1, sequence: minute.unsigned_abs() },
        model: "rain-1.0.0".parse().unwrap(),
        start_ms: NOW + (minute - 10) * 60_000,
        duration_ms: 60_000,
        merged: 1,
        clock: ClockQuality::Synchronised,
        inferences: 500,
        failures: 0,
        inputs: vec![input],
        outputs: OutputStatistics::Uncounted,
        latency: LatencyHistogram::default(),
        labels: LabelStatistics::default(),
    }
}

/// Ten devices over ten minutes; the first `shifted` of them drift from the fifth minute on.
fn fleet_with(shifted: usize) -> Board {
    let (mut board, bins) = board();
    for minute in 0..10 {
        for device in 0..10 {
            let id: DeviceId = format!("s{device}").parse().unwrap();
            let shift = if device < shifted && minute >= 5 { 0.6 } else { 0.0 };
            board.add(id, window(minute, counted(&bins, values(500, shift))), NOW);
        }
    }
    board.models.values_mut().for_each(|model| model.assess(&Policy::default(), NOW));
    board
}

#[test]
fn drift_on_several_devices_is_a_finding_of_the_fleet_and_dark_cells_from_when_it_began() {
    let board = fleet_with(4);
    let found = findings::findings(&board, &[], &Policy::default(), NOW);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind.as_str(), found[0].device.as_ref()), ("drift", None));
    assert!(found[0].message.contains("on 4 of 10"), "{}", found[0].message);
    let drift = cells::drift(&board, "rain", &Policy::default(), (0, i64::MAX / 4));
    assert!(drift.cells.len() >= 10 && drift.cells.len() <= cells::COLUMNS, "{}", drift.cells.len());
    for cell in &drift.cells {
        let begun = cell.end_ms > NOW - 5 * 60_000;
        assert_eq!(cell.devices_drifting, if begun { 4 } else { 0 }, "{cell:?}");
        assert_eq!(cell.verdict, if begun { "drift" } else { "ok" }, "{cell:?}");
    }
    assert_eq!(drift.sentences.len(), 1);
}

#[test]
fn one_device_alone_is_a_sensor_fault_of_that_device() {
    let found = findings::findings(&fleet_with(1), &[], &Policy::default(), NOW);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].kind, "sensor-fault");
    assert_eq!(found[0].device.as_ref().map(DeviceId::as_str), Some("s0"));
}

#[test]
fn a_fleet_as_in_training_has_nothing_to_say() {
    let board = fleet_with(0);
    assert_eq!(findings::findings(&board, &[], &Policy::default(), NOW), []);
    assert!(cells::drift(&board, "rain", &Policy::default(), (0, i64::MAX / 4)).sentences.is_empty());
}

#[test]
fn a_device_stands_on_the_board_of_the_version_that_it_runs_now() {
    let mut board = fleet_with(0);
    let model = "rain-1.1.0".parse().unwrap();
    let manifest = board.models.values().next().unwrap().manifest.clone();
    board.models.insert(model, ModelBoard::new(manifest, None));
    let mut later = window(11, counted(&Bins::from_values(&[0.0, 1.0]).unwrap(), values(5, 0.0)));
    later.model = "rain-1.1.0".parse().unwrap();
    board.add("s0".parse().unwrap(), later, NOW + 60_000);
    let alive = |model: &ModelBoard| model.devices.values().filter(|device| device.is_alive(NOW)).count();
    assert_eq!(board.models.values().map(alive).collect::<Vec<_>>(), [9, 1]);
    let (model, ..) = board.device(&"s0".parse().unwrap()).unwrap();
    assert_eq!(model.to_string(), "rain-1.1.0");
    let before = cells::drift(&board, "rain", &Policy::default(), (0, NOW - 60_000));
    assert!(
        before.cells.iter().any(|cell| cell.devices_seen == 10),
        "the past forgot a device that moved on"
    );
}

#[test]
fn a_device_that_infers_once_a_minute_is_judged_after_some_hours() {
    let (mut board, bins) = board();
    for minute in 0..1500 {
        for device in 0..4 {
            let id: DeviceId = format!("s{device}").parse().unwrap();
            let shift = if device < 2 && minute >= 300 { 0.6 } else { 0.0 };
            let mut window =
                window(minute, counted(&bins, values(1, shift + (minute * 617 % 1000) as f32 / 1000.0)));
            window.inferences = 1;
            board.add(id, window, NOW + minute * 60_000);
        }
        if minute % 50 == 0 {
            board
                .models
                .values_mut()
                .for_each(|model| model.assess(&Policy::default(), NOW + minute * 60_000));
        }
    }
    let found = findings::findings(&board, &[], &Policy::default(), NOW + 1500 * 60_000);
    assert_eq!(found.iter().map(|found| found.kind.as_str()).collect::<Vec<_>>(), ["drift"], "{found:?}");
    let began = NOW + 290 * 60_000;
    assert!(
        (found[0].since_ms - began).abs() < 120 * 60_000,
        "{} min off",
        (found[0].since_ms - began) / 60_000
    );
    let model = board.models.values().next().unwrap();
    for device in model.devices.values() {
        assert_eq!(device.history.iter().map(|kept| kept.inferences).sum::<u64>(), 1500, "no value is lost");
    }
}

#[test]
fn windows_of_a_device_are_kept_in_little_memory_and_the_latest_ones_as_they_came() {
    let (mut board, bins) = board();
    for minute in 0..200 {
        board.add("s0".parse().unwrap(), window(minute, counted(&bins, values(500, 0.0))), NOW);
    }
    let device = &board.models.values().next().unwrap().devices[&"s0".parse::<DeviceId>().unwrap()];
    assert!(device.history.bytes() < 24 * 600, "{} bytes", device.history.bytes());
    let latest = device.history.iter().last().unwrap();
    assert_eq!((latest.start_ms, latest.inferences), (NOW + 189 * 60_000, 500));
}

#[test]
fn a_board_that_booted_in_1970_is_judged_by_when_its_windows_came() {
    let (mut board, bins) = board();
    for minute in 0..10 {
        for device in 0..4 {
            let mut window = window(minute, counted(&bins, values(500, 0.6)));
            (window.start_ms, window.clock) = (minute * 60_000, ClockQuality::Wrong);
            board.add(format!("s{device}").parse().unwrap(), window, NOW + minute * 60_000);
        }
    }
    board.models.values_mut().for_each(|model| model.assess(&Policy::default(), NOW + 600_000));
    let found = findings::findings(&board, &[], &Policy::default(), NOW + 600_000);
    assert_eq!((found[0].kind.as_str(), found[0].since_ms), ("drift", NOW - 60_000));
    assert!(cells::drift(&board, "rain", &Policy::default(), (0, i64::MAX / 4)).cells.is_empty());
}
