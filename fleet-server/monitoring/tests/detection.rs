//! What must be found, and be called by its name.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod streams;

use dunlin_monitoring::{Fault, Policy, Verdict, assess, assess_device, merge_until_enough};
use dunlin_protocol::{
    spec::FeatureSpec,
    statistics::{FeatureReference, FeatureStatistics, Reference},
};
use streams::{Stream, Wind, count, count_texts, reference, reference_of_texts, window};

const BLOCKS: [usize; 5] = [50, 100, 200, 400, 800];

fn verdict(reference: &FeatureReference, values: &[f32]) -> Verdict {
    let spec = FeatureSpec::named("x");
    assess(&spec, reference, &count(reference, values), &Policy::default()).verdict
}

/// The verdict on a device that counts these values in windows of 60, last of all.
fn on_device(reference: &FeatureReference, values: &[f32]) -> (Verdict, Option<i64>) {
    let spec = FeatureSpec::named("x");
    let whole = Reference { rows: 10_000, features: vec![reference.clone()], outputs: None };
    let windows: Vec<_> = values
        .chunks(60)
        .enumerate()
        .map(|(minute, values)| window(minute as i64, vec![count(reference, values)]))
        .collect();
    let timelines = assess_device([&spec], &whole, &windows.iter().collect::<Vec<_>>(), &Policy::default());
    (timelines[0].now.verdict.clone(), timelines[0].since_ms)
}

#[test]
fn a_shift_by_one_standard_deviation_is_found() {
    for (phi, blocks, before, after) in
        [(0.0, &[][..], 1200, 600), (0.8, &BLOCKS[..], 2400, 1800), (0.8, &[][..], 9000, 6000)]
    {
        let mut found = 0;
        for seed in 0..20 {
            let mut stream = Stream::new(seed, phi);
            let reference = reference(&stream.take(10_000), blocks);
            let mut values = stream.take(before);
            values.extend(stream.take(after).iter().map(|value| value + 1.0));
            let (now, since_ms) = on_device(&reference, &values);
            if now == Verdict::Drift {
                found += 1;
                // Not more than a span before the shift.
                let began = before as i64 / 60 * 60_000;
                assert!(since_ms.unwrap() > began / 2, "since {since_ms:?}, began {began}");
            }
        }
        println!("phi {phi}, blocks {}: found on {found} of 20", !blocks.is_empty());
        assert!(found >= 18, "phi {phi}: found on {found} of 20 devices");
    }
}

#[test]
fn a_wind_that_turned_is_found() {
    let mut wind = Wind::new(3, 0.8);
    let reference = reference_of_texts(&wind.take(20_000));
    let turned: Vec<&str> =
        wind.take(3000).iter().map(|from| if *from == "west" { "east" } else { from }).collect();
    let found = assess(&FeatureSpec::named("wind"), &reference, &count_texts(&turned), &Policy::default());
    assert_eq!(found.verdict, Verdict::Drift, "{found:?}");
}

#[test]
fn what_began_before_the_windows_that_are_kept_is_dated_back() {
    let reference = reference(&Stream::new(1, 0.0).take(10_000), &[]);
    let whole = Reference { rows: 10_000, features: vec![reference.clone()], outputs: None };
    let look = |from: i64, shifts: &[f32]| {
        let windows: Vec<_> = shifts
            .iter()
            .zip(from..)
            .map(|(shift, minute)| {
                let values: Vec<f32> =
                    Stream::new(minute as u64, 0.0).take(400).iter().map(|value| value + shift).collect();
                window(minute, vec![count(&reference, &values)])
            })
            .collect();
        let seen: Vec<_> = windows.iter().collect();
        assess_device([&FeatureSpec::named("x")], &whole, &seen, &Policy::default()).remove(0)
    };
    let minutes = |since_ms: Option<i64>| since_ms.unwrap() / 60_000;
    let first = look(0, &[0.0, 0.0, 2.0, 2.0, 2.0]);
    assert_eq!((first.now.verdict.clone(), minutes(first.since_ms)), (Verdict::Drift, 2));
    let mut still = look(9, &[2.0; 5]);
    still.continues(&first);
    assert_eq!(minutes(still.since_ms), 2);
    let mut again = look(20, &[0.0, 0.0, 2.0, 2.0, 2.0]);
    again.continues(&still);
    assert_eq!(minutes(again.since_ms), 22, "there was a break that the windows show");
    let mut well = look(30, &[0.0; 5]);
    well.continues(&still);
    assert_eq!(minutes(well.since_ms), 30, "another verdict begins anew");
}

#[test]
fn a_stuck_sensor_is_a_fault_and_not_drift() {
    let mut stream = Stream::new(1, 0.8);
    let reference = reference(&stream.take(10_000), &BLOCKS);
    let mut values = stream.take(600);
    values.extend([0.3; 600]);
    let (now, since_ms) = on_device(&reference, &values);
    assert!(matches!(now, Verdict::SensorFault { fault: Fault::Stuck { .. } }), "{now:?}");
    assert_eq!(since_ms, Some(600_000));
    // Repaired, it is well again at once.
    values.extend(stream.take(60));
    assert!(!matches!(on_device(&reference, &values).0, Verdict::SensorFault { .. }));
}

#[test]
fn a_value_that_training_repeats_for_long_is_not_stuck() {
    // Visibility: half of all days the same upper limit of the instrument, for weeks.
    let mut stream = Stream::new(5, 0.97);
    let capped = |values: Vec<f32>| values.into_iter().map(|v| v.min(0.0)).collect::<Vec<f32>>();
    let reference = reference(&capped(stream.take(10_000)), &BLOCKS);
    for _ in 0..50 {
        let found = verdict(&reference, &capped(stream.take(60)));
        assert!(!matches!(found, Verdict::SensorFault { .. }), "{found:?}");
    }
}

#[test]
fn a_column_that_was_constant_in_training_is_not_stuck_and_drifts_when_it_moves() {
    let reference = reference(&[7.0; 3000], &[]);
    assert_eq!(verdict(&reference, &[7.0; 400]), Verdict::Ok);
    assert_eq!(verdict(&reference, &[8.0; 400]), Verdict::Drift);
}

#[test]
fn a_change_from_fahrenheit_to_celsius_is_found() {
    let fahrenheit = |z: f32| 51.0 + 21.0 * z;
    let mut stream = Stream::new(2, 0.9);
    let training: Vec<f32> = stream.take(10_000).into_iter().map(fahrenheit).collect();
    let reference = reference(&training, &BLOCKS);
    let celsius: Vec<f32> = stream.take(1200).into_iter().map(|z| (fahrenheit(z) - 32.0) / 1.8).collect();
    assert_eq!(on_device(&reference, &celsius).0, Verdict::Drift);
}

#[test]
fn an_impossible_pressure_is_a_fault() {
    let mut stream = Stream::new(3, 0.5);
    let pressure = |z: f32| 1016.0 + 8.0 * z;
    let training: Vec<f32> = stream.take(10_000).into_iter().map(pressure).collect();
    let mut now: Vec<f32> = stream.take(60).into_iter().map(pressure).collect();
    now[17] = 5503.8;
    let plain = reference(&training, &BLOCKS);
    let statistics = count(&plain, &now);
    let mut spec = FeatureSpec::named("sea_level_pressure_hpa");
    let found = assess(&spec, &plain, &statistics, &Policy::default()).verdict;
    let Verdict::SensorFault { fault: fault @ Fault::FarOutside { .. } } = found else { panic!("{found:?}") };
    assert!(fault.sentence().starts_with("reads 5503.8, far outside the"), "{}", fault.sentence());
    spec.range = Some([870.0, 1085.0]);
    let found = assess(&spec, &plain, &statistics, &Policy::default()).verdict;
    let Verdict::SensorFault { fault } = found else { panic!("{found:?}") };
    assert_eq!(fault.sentence(), "reads 5503.8, which is outside 870 to 1085");
    now[17] = 990.0;
    assert!(!matches!(
        assess(&spec, &plain, &count(&plain, &now), &Policy::default()).verdict,
        Verdict::SensorFault { .. }
    ));
}

#[test]
fn readings_that_do_not_arrive_are_a_fault() {
    let mut stream = Stream::new(4, 0.0);
    let reference = reference(&stream.take(5000), &[]);
    let mut values = stream.take(60);
    values.iter_mut().step_by(2).for_each(|value| *value = f32::NAN);
    let found = verdict(&reference, &values);
    assert!(matches!(found, Verdict::SensorFault { fault: Fault::Missing { .. } }), "{found:?}");
    assert_eq!(verdict(&reference, &[f32::NAN; 10]), Verdict::TooFew);
}

#[test]
fn short_windows_are_merged_until_they_say_enough() {
    let mut stream = Stream::new(6, 0.0);
    let reference = reference(&stream.take(5000), &[]);
    let counted: Vec<FeatureStatistics> = (0..10).map(|_| count(&reference, &stream.take(60))).collect();
    let parts: Vec<_> = counted
        .iter()
        .enumerate()
        .map(|(k, statistics)| (k as i64 * 60_000, (k as i64 + 1) * 60_000, statistics))
        .collect();
    let spans = merge_until_enough(&reference, &parts, &Policy::default());
    assert!((1..=2).contains(&spans.len()), "{} spans", spans.len());
    assert_eq!(spans.last().unwrap().end_ms, 600_000, "the latest window is in");
    for span in &spans {
        let FeatureStatistics::Numeric(statistics) = &span.statistics else { panic!("numbers") };
        assert!(statistics.count >= 200);
    }
    let few = merge_until_enough(&reference, &parts[..2], &Policy::default());
    assert_eq!(few.len(), 1, "too few are shown as they are");
}
