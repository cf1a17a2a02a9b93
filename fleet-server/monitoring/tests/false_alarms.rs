//! The design's budget: at most one false alarm in 1,000 window-features on streams without drift.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod streams;

use dunlin_monitoring::{Policy, Verdict, assess, assess_device};
use dunlin_protocol::{message::Window, spec::FeatureSpec, statistics::Reference};
use streams::{Stream, Wind, count, count_texts, reference, reference_of_texts, window};

/// Alarms and windows with enough values, each window alone: before Benjamini–Hochberg and two of three.
fn single_windows(phi: f64, n: usize, blocks: &[usize], trials: u64) -> (usize, usize) {
    let spec = FeatureSpec::named("x");
    let policy = Policy::default();
    let (mut alarms, mut judged) = (0, 0);
    for seed in 0..trials {
        let mut stream = Stream::new(seed, phi);
        let reference = reference(&stream.take(10_000), blocks);
        for _ in 0..100 {
            let found = assess(&spec, &reference, &count(&reference, &stream.take(n)), &policy);
            match found.verdict {
                Verdict::TooFew => {}
                Verdict::Ok => judged += 1,
                _ => (alarms, judged) = (alarms + 1, judged + 1),
            }
        }
    }
    (alarms, judged)
}

/// The share that the budget allows, with three standard errors of the experiment itself.
fn assert_within_budget(what: &str, (alarms, judged): (usize, usize)) {
    let n = judged as f64;
    let allowed = n * 0.001 + 3.0 * (n * 0.001).sqrt();
    println!("{what}: {alarms} false alarms in {judged} window-features");
    assert!(judged > 0, "{what}: nothing was judged");
    assert!(alarms as f64 <= allowed, "{what}: {alarms} false alarms in {judged}, {allowed:.1} allowed");
}

#[test]
fn independent_readings_raise_at_most_one_false_alarm_in_a_thousand() {
    for n in [250, 1000, 4000] {
        assert_within_budget(&format!("independent, {n} a window"), single_windows(0.0, n, &[], 60));
    }
}

#[test]
fn readings_that_depend_on_each_other_raise_no_more() {
    for (phi, n) in [(0.5, 1000), (0.8, 2500), (0.95, 9000)] {
        assert_within_budget(&format!("phi {phi}, {n} a window"), single_windows(phi, n, &[], 20));
    }
}

#[test]
fn limits_from_the_references_own_blocks_raise_no_more() {
    for (phi, n) in [(0.0, 400), (0.8, 400), (0.95, 400)] {
        let found = single_windows(phi, n, &[100, 400], 40);
        println!("phi {phi}, {n} a window with blocks, each alone: {found:?}");
    }
    for (phi, rows) in [(0.0, 10_000), (0.8, 10_000), (0.95, 10_000), (0.95, 4_000)] {
        let found = whole_device(phi, rows, &[50, 100, 200, 400, 800], 30);
        assert_within_budget(&format!("phi {phi}, {rows} training rows, whole device"), found);
    }
}

#[test]
fn texts_that_stay_for_long_raise_no_more() {
    for (stay, shuffled) in [(0.0, false), (0.8, false), (0.95, false), (0.8, true), (0.95, true)] {
        let (mut alarms, mut judged) = (0, 0);
        for seed in 0..30 {
            let mut wind = Wind::new(seed, stay);
            let mut training = wind.take(50_000);
            if shuffled {
                // Rows without order: only the windows themselves tell that one text follows another.
                training = (0..training.len()).map(|k| training[k * 7919 % training.len()]).collect();
            }
            let features = vec![reference_of_texts(&training)];
            let reference = Reference { rows: 50_000, features, outputs: None };
            let windows: Vec<Window> =
                (0..60).map(|minute| window(minute, vec![count_texts(&wind.take(500))])).collect();
            let windows: Vec<&Window> = windows.iter().collect();
            for until in 1..=windows.len() {
                let spec = FeatureSpec::named("wind");
                let timeline = assess_device([&spec], &reference, &windows[..until], &Policy::default());
                match timeline[0].now.verdict {
                    Verdict::TooFew => {}
                    Verdict::Ok => judged += 1,
                    _ => (alarms, judged) = (alarms + 1, judged + 1),
                }
            }
        }
        let what = format!("texts that stay with {stay}, training in order: {}", !shuffled);
        assert_within_budget(&what, (alarms, judged));
    }
}

/// Alarms of [`assess_device`]: eight features, windows of 60 readings, looked at after each window.
fn whole_device(phi: f64, rows: usize, blocks: &[usize], trials: u64) -> (usize, usize) {
    let policy = Policy::default();
    let specs: Vec<FeatureSpec> = (0..8).map(|k| FeatureSpec::named(format!("x{k}"))).collect();
    let (mut alarms, mut judged) = (0, 0);
    for seed in 0..trials {
        let mut streams: Vec<Stream> = (0..8).map(|k| Stream::new(seed * 8 + k + 1_000_000, phi)).collect();
        let features = streams.iter_mut().map(|s| reference(&s.take(rows), blocks)).collect();
        let reference = Reference { rows: rows as u64, features, outputs: None };
        let mut windows: Vec<Window> = Vec::new();
        for minute in 0..60 {
            let inputs =
                streams.iter_mut().zip(&reference.features).map(|(s, r)| count(r, &s.take(60))).collect();
            windows.push(window(minute, inputs));
            let seen: Vec<&Window> = windows.iter().collect();
            for timeline in assess_device(&specs, &reference, &seen, &policy) {
                match timeline.now.verdict {
                    Verdict::TooFew => {}
                    Verdict::Ok => judged += 1,
                    _ => (alarms, judged) = (alarms + 1, judged + 1),
                }
            }
        }
    }
    (alarms, judged)
}
