//! What must be true of every value: it reads back as written, and windows merge by adding.

use dunlin_protocol::{Message, message::*, statistics::*, update::*};
use proptest::prelude::*;

/// Bins over a training column that has a heavy value and two tails.
fn bins() -> Bins {
    let mut values: Vec<f32> = (0..2000).map(|k| ((k * 7919) % 2003) as f32 / 10.0 - 60.0).collect();
    values.extend([12.5; 300]);
    Bins::from_values(&values).unwrap()
}

/// Readings as sensors give them: mostly ordinary, sometimes stuck, far off, missing or broken.
fn readings(most: usize) -> impl Strategy<Value = Vec<f32>> {
    let reading = prop_oneof![
        8 => -100.0_f32..200.0,
        3 => Just(12.5_f32),
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(f32::MAX), Just(-0.0)],
    ];
    prop::collection::vec(reading, 0..most)
}

fn counted(values: &[f32]) -> NumericStatistics {
    let mut recorder = NumericRecorder::new(bins());
    values.iter().for_each(|value| recorder.observe(*value));
    recorder.take()
}

fn window(sequence: u64, values: &[f32]) -> Window {
    let mut answers = OutputRecorder::classes(3);
    let mut latency = LatencyHistogram::default();
    let mut labels = LabelStatistics::default();
    for (index, value) in values.iter().enumerate() {
        answers.observe_class(Some(index % 4), &[0.25, 0.75]);
        latency.observe(f64::from(value.abs().min(1e6)));
        labels.merge(&LabelStatistics { count: 1, errors: (index % 3 == 0).into(), squared_error: 0.5 });
    }
    Window {
        record: RecordId { boot: 1, sequence },
        model: "rain-1.0.0".parse().unwrap(),
        start_ms: sequence as i64 * 60_000,
        duration_ms: 60_000,
        merged: 1,
        clock: ClockQuality::Synchronised,
        inferences: values.len() as u64,
        failures: sequence,
        inputs: vec![FeatureStatistics::Numeric(counted(values))],
        outputs: answers.take(),
        latency,
        labels,
    }
}

fn merged(windows: &[Window]) -> Window {
    let (first, rest) = windows.split_first().unwrap();
    rest.iter().fold(first.clone(), |mut sum, next| {
        sum.merge(next).unwrap();
        sum
    })
}

/// Sums of floats in another order differ in their last digits; everything else is exact.
fn same_column(a: &NumericStatistics, b: &NumericStatistics) -> Result<(), TestCaseError> {
    let close = |a: f64, b: f64, size: f64| (a - b).abs() <= 1e-9 * size.max(1.0);
    let size = a.sum_squares.max(b.sum_squares);
    prop_assert!(close(a.sum, b.sum, size), "sum {} and {}", a.sum, b.sum);
    prop_assert!(close(a.sum_squares, b.sum_squares, size));
    prop_assert!(close(a.sum_lagged, b.sum_lagged, size));
    prop_assert!(close(a.below_sum, b.below_sum, size) && close(a.above_sum, b.above_sum, size));
    let exact = |s: &NumericStatistics| NumericStatistics {
        sum: 0.0,
        sum_squares: 0.0,
        sum_lagged: 0.0,
        below_sum: 0.0,
        above_sum: 0.0,
        ..s.clone()
    };
    prop_assert_eq!(exact(a), exact(b));
    Ok(())
}

fn same_window(a: &Window, b: &Window) -> Result<(), TestCaseError> {
    let [FeatureStatistics::Numeric(left)] = a.inputs.as_slice() else { panic!("{a:?}") };
    let [FeatureStatistics::Numeric(right)] = b.inputs.as_slice() else { panic!("{b:?}") };
    same_column(left, right)?;
    let rest = |w: &Window| Window { inputs: vec![], ..w.clone() };
    prop_assert_eq!(rest(a), rest(b));
    Ok(())
}

proptest! {
    #[test]
    fn merging_is_associative(a in readings(80), b in readings(80), c in readings(80)) {
        let (a, b, c) = (window(0, &a), window(1, &b), window(2, &c));
        let left = merged(&[merged(&[a.clone(), b.clone()]), c.clone()]);
        let right = merged(&[a, merged(&[b, c])]);
        same_window(&left, &right)?;
    }

    #[test]
    fn an_hour_is_the_sum_of_its_minutes(minutes in prop::collection::vec(readings(20), 60)) {
        let windows: Vec<Window> = minutes.iter().zip(0..).map(|(values, k)| window(k, values)).collect();
        let hour = merged(&windows);
        prop_assert_eq!((hour.start_ms, hour.duration_ms, hour.merged), (0, 3_600_000, 60));
        let total: usize = minutes.iter().map(Vec::len).sum();
        prop_assert_eq!(hour.inferences, total as u64);
        prop_assert_eq!(hour.labels.count, total as u64);
        let FeatureStatistics::Numeric(column) = &hour.inputs[0] else { panic!("{hour:?}") };
        prop_assert_eq!(column.seen(), total as u64);
        prop_assert_eq!(column.row().iter().sum::<u64>(), column.count);
        // Six steps of ten minutes lead to the same hour.
        let tens: Vec<Window> = windows.chunks(10).map(merged).collect();
        same_window(&hour, &merged(&tens))?;
    }

    #[test]
    fn a_column_split_anywhere_merges_to_the_same(values in readings(300), at in any::<prop::sample::Index>()) {
        let at = at.index(values.len() + 1);
        let mut recorder = NumericRecorder::new(bins());
        values[..at].iter().for_each(|value| recorder.observe(*value));
        let mut sum = recorder.take();
        values[at..].iter().for_each(|value| recorder.observe(*value));
        sum.merge(&recorder.take()).unwrap();
        same_column(&sum, &counted(&values))?;
    }

    #[test]
    fn every_window_reads_back_as_written(values in readings(300), sequence in 0..1_u64 << 53) {
        let window = Window { start_ms: 5, ..window(sequence % 1000, &values) };
        let window = Window { record: RecordId { boot: sequence, sequence }, ..window };
        let bytes = window.encode().unwrap();
        prop_assert_eq!(Window::decode(&bytes).unwrap(), window);
    }

    #[test]
    fn counts_read_back_as_written(counts in prop::collection::vec(any::<u64>(), 0..200)) {
        let histogram = LatencyHistogram { buckets: Counts(counts) };
        let bytes = dunlin_protocol::cbor::to_vec(&histogram).unwrap();
        prop_assert_eq!(dunlin_protocol::cbor::from_slice::<LatencyHistogram>(&bytes, 4096).unwrap(), histogram);
    }

    #[test]
    fn every_event_reads_back_as_written(
        at_ms in any::<i64>(), code in ".{0,20}", message in ".{0,80}", reason in proptest::option::of(".{0,30}"),
        cpu in any::<f32>().prop_filter("a share is a number", |cpu| !cpu.is_nan()), bytes in any::<[u64; 2]>(),
    ) {
        let update = reason.map(|reason| UpdateReport {
            generation: bytes[0],
            rollout: Some(code.clone()),
            model: "rain-1.0.0".parse().unwrap(),
            state: UpdateState::Failed(Reason::new(&code, reason)),
            since_ms: at_ms,
            bytes: Some(bytes),
        });
        let record = RecordId { boot: bytes[1], sequence: bytes[0] };
        let event = Event { record, at_ms, code, severity: Severity::Error, message, update };
        prop_assert_eq!(Event::decode(&event.encode().unwrap()).unwrap(), event);
        let system = SystemReport { cpu, uptime_seconds: bytes[0], ..Default::default() };
        let written = dunlin_protocol::cbor::to_vec(&system).unwrap();
        prop_assert_eq!(dunlin_protocol::cbor::from_slice::<SystemReport>(&written, 4096).unwrap(), system);
    }
}

#[test]
fn windows_of_different_models_or_references_do_not_merge() {
    let mut one = window(0, &[1.0]);
    let before = one.clone();
    let other = Window { model: "wind-1.0.0".parse().unwrap(), ..one.clone() };
    assert!(one.merge(&other).is_err());
    let mut other = window(1, &[1.0]);
    let small = NumericRecorder::new(Bins::from_values(&[1.0, 2.0]).unwrap()).take();
    other.inputs = vec![FeatureStatistics::Numeric(small)];
    assert!(one.merge(&other).is_err());
    assert_eq!(one, before, "a refused merge leaves the window as it was");
}

#[test]
fn a_window_of_twenty_features_fits_into_four_kilobytes() {
    // A minute of one reading a second, spread over all bins.
    let values: Vec<f32> = (0..60).map(|k| ((k * 7919) % 2003) as f32 / 10.0 - 60.0).collect();
    let mut window = window(9, &values);
    window.inputs = vec![window.inputs[0].clone(); 20];
    let (length, column) =
        (window.encode().unwrap().len(), dunlin_protocol::cbor::to_vec(&window.inputs[0]).unwrap());
    println!("a window of 20 features: {length} bytes, {} a feature", column.len());
    assert!(length <= 4_000, "{length} bytes, {} a feature", column.len());
}
