//! Fifty years of a real weather station: seasons, slow change, and what is broken on purpose.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod streams;

use dunlin_monitoring::{Policy, Verdict, assess_device};
use dunlin_protocol::{message::Window, spec::FeatureSpec, statistics::Reference};
use streams::{count, reference, window};

const DATA: &str = include_str!("../../../tests/data/weather_station.csv");
const BLOCKS: [usize; 5] = [50, 100, 200, 400, 800];
const TRAINED: usize = 6000;
const DEW_POINT: usize = 1;
const WIND: usize = 4;

/// Feature names and columns, without the label.
fn columns() -> (Vec<FeatureSpec>, Vec<Vec<f32>>) {
    let mut lines = DATA.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').filter(|name| *name != "rain").collect();
    let mut columns = vec![Vec::new(); names.len()];
    for line in lines {
        for (column, value) in columns.iter_mut().zip(line.split(',')) {
            column.push(value.parse().unwrap_or(f32::NAN));
        }
    }
    (names.into_iter().map(FeatureSpec::named).collect(), columns)
}

fn trained(columns: &[Vec<f32>]) -> Reference {
    let features = columns.iter().map(|column| reference(&column[..TRAINED], &BLOCKS)).collect();
    Reference { rows: TRAINED as u64, features, outputs: None }
}

/// A station's windows of 60 days from day `from`, as many as `windows`.
fn station(reference: &Reference, columns: &[Vec<f32>], from: usize, windows: usize) -> Vec<Window> {
    (0..windows)
        .map(|k| {
            let days = from + k * 60..from + k * 60 + 60;
            let inputs =
                columns.iter().zip(&reference.features).map(|(c, r)| count(r, &c[days.clone()])).collect();
            window(k as i64, inputs)
        })
        .collect()
}

fn verdicts(specs: &[FeatureSpec], reference: &Reference, windows: &[Window]) -> Vec<Verdict> {
    let windows: Vec<&Window> = windows.iter().collect();
    let timelines = assess_device(specs, reference, &windows, &Policy::default());
    timelines.into_iter().map(|timeline| timeline.now.verdict).collect()
}

#[test]
fn seasons_are_not_drift() {
    let (specs, columns) = columns();
    let reference = trained(&columns);
    let (mut judged, mut differ) = (0, 0);
    // The years right after training, each time looked at after two years.
    for from in (TRAINED..TRAINED + 2400).step_by(60) {
        for (spec, verdict) in
            specs.iter().zip(verdicts(&specs, &reference, &station(&reference, &columns, from, 12)))
        {
            match verdict {
                Verdict::TooFew => {}
                Verdict::Drift | Verdict::Notice => {
                    println!("{} {} from day {from}", spec.name, verdict.word());
                    (differ, judged) = (differ + 1, judged + 1);
                }
                _ => judged += 1,
            }
        }
    }
    println!("{differ} of {judged} window-features differ");
    assert!(judged > 200, "{judged} judged");
    assert!(differ * 20 <= judged, "{differ} of {judged} window-features differ in the years after training");
}

#[test]
fn a_station_that_reports_celsius_drifts_within_two_years() {
    let (specs, mut columns) = columns();
    let reference = trained(&columns);
    columns[DEW_POINT].iter_mut().for_each(|value| *value = (*value - 32.0) / 1.8);
    let mut found = 0;
    for from in (TRAINED..TRAINED + 2400).step_by(240) {
        let verdicts = verdicts(&specs, &reference, &station(&reference, &columns, from, 12));
        println!("day {from}: {}", verdicts[DEW_POINT].word());
        found += usize::from(verdicts[DEW_POINT] == Verdict::Drift);
    }
    assert!(found >= 9, "found on {found} of 10");
}

#[test]
fn a_stuck_wind_gauge_is_a_fault_within_a_window() {
    let (specs, mut columns) = columns();
    let reference = trained(&columns);
    let broken = TRAINED + 600;
    columns[WIND][broken..].fill(6.0);
    let verdicts = verdicts(&specs, &reference, &station(&reference, &columns, TRAINED, 11));
    assert!(matches!(verdicts[WIND], Verdict::SensorFault { .. }), "{:?}", verdicts[WIND]);
    assert!(!matches!(verdicts[DEW_POINT], Verdict::SensorFault { .. }));
}
