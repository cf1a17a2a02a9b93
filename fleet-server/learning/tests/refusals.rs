//! Requests that cannot be met are told why and what would do; nothing leaks from the hold-out.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::{fit, flowers, noise, power, request, table, weather};
use dunlin_learning::{Dataset, SplitKind, TrainError, TrainRequest, dataset::Values, holdout};
use dunlin_protocol::spec::Task;

fn refused(data: &Dataset, change: impl FnOnce(&mut TrainRequest)) -> String {
    let mut wanted = request("power-1.0.0", "power_w");
    change(&mut wanted);
    fit(data, &wanted).unwrap_err().to_string()
}

#[test]
fn a_request_that_does_not_fit_the_data_names_what_is_wrong() {
    let data = power();
    let names = |error: &str, words: &[&str]| {
        for word in words {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
    };
    names(&refused(&data, |r| r.target = "rain".into()), &["\"rain\"", "speed_mps, load, power_w"]);
    names(&refused(&data, |r| r.features = Some(vec!["wind".into()])), &["\"wind\"", "correct the name"]);
    names(&refused(&data, |r| r.features = Some(vec!["power_w".into()])), &["target", "leave it out"]);
    names(&refused(&data, |r| r.features = Some(vec![])), &["at least one feature"]);
    names(&refused(&data, |r| r.rows = Some([10, 501])), &["[10, 501]", "0 to 500"]);
    names(&refused(&data, |r| r.rows = Some([10, 15])), &["5 rows", "too few"]);
    names(&refused(&data, |r| r.split.holdout = f64::NAN), &["split.holdout", "between 0 and 1"]);
    names(&refused(&data, |r| r.folds = 1), &["folds", "2 to 20"]);
    names(&refused(&data, |r| r.folds = usize::MAX), &["folds", "2 to 20"]);
    names(&refused(&data, |r| r.rows = Some([5, 1])), &["rows", "[5, 1]", "[from, to)"]);
    names(&refused(&data, |r| r.split.holdout = 1e308), &["split.holdout", "between 0 and 1"]);
    names(&refused(&data, |r| r.features = Some(vec!["load".into(); 2])), &["\"load\"", "twice"]);
    names(&refused(&data, |r| r.split.group = Some("power_w".into())), &["split.group", "target"]);
    names(&refused(&data, |r| r.task = Some(Task::Other)), &["task", "classification or regression"]);
    names(&refused(&data, |r| r.ranges = [("load".into(), [1.0, 1.0])].into()), &["ranges", "\"load\""]);
    names(&refused(&data, |r| r.penalties = Some(vec![-1.0])), &["penalties", "at least 0"]);
    names(&refused(&data, |r| r.split.kind = SplitKind::Group), &["split.group"]);
    names(&refused(&data, |r| r.task = Some(Task::Classification)), &["500 different labels", "regression"]);
    names(
        &refused(&flowers(), |r| (r.target, r.task) = ("kind".into(), Some(Task::Regression))),
        &["\"kind\""],
    );
}

#[test]
fn an_identifier_is_not_taken_for_a_feature() {
    let rows: String = (0..400).map(|k| format!("{},id-{k}\n", k % 2)).collect();
    let error = fit(&table(&format!("y,serial\n{rows}")), &request("m-1.0.0", "y")).unwrap_err();
    assert!(matches!(error, TrainError::Categories { found: 320, .. }), "{error}");
}

#[test]
fn a_target_with_one_label_in_training_is_refused() {
    let rows: String = (0..100).map(|k| format!("{k},{}\n", u8::from(k >= 90))).collect();
    let data = table(&format!("x,y\n{rows}"));
    assert!(matches!(fit(&data, &request("m-1.0.0", "y")), Err(TrainError::Labels { found: 1, .. })));
}

#[test]
fn unknown_fields_of_a_request_are_refused_and_defaults_filled_in() {
    let read = |text: &str| serde_json::from_str::<TrainRequest>(text);
    let model = r#""model":{"name":"rain","version":"1.0.0"},"target":"rain""#;
    let wanted =
        read(&format!(r#"{{{model},"split":{{"kind":"random","holdout":0.3}},"rows":[0,50]}}"#)).unwrap();
    assert_eq!((wanted.folds, wanted.split.kind, wanted.rows), (5, SplitKind::Random, Some([0, 50])));
    assert_eq!(read(&format!("{{{model}}}")).unwrap(), request("rain-1.0.0", "rain"));
    assert!(read(&format!(r#"{{{model},"folts":3}}"#)).unwrap_err().to_string().contains("folts"));
}

#[test]
fn what_stands_in_the_hold_out_changes_no_parameter() {
    for kind in [SplitKind::Time, SplitKind::Random] {
        let mut wanted = request("rain-1.0.0", "rain");
        wanted.split.kind = kind;
        wanted.rows = Some([0, 2_000]);
        let data = weather();
        let kept = holdout(&data, &wanted).unwrap();
        // Every number of every hold-out row becomes a hundred times larger; which rows those are is found by
        // putting row numbers in place of the readings.
        let numbers = |of: &dyn Fn(usize) -> f64| {
            let columns = data.columns().iter().cloned().map(|mut column| {
                if column.name != "rain" {
                    column.values = Values::Numbers((0..data.rows()).map(of).collect());
                }
                column
            });
            Dataset::from_columns(columns.collect()).unwrap()
        };
        let numbered = holdout(&numbers(&|row| row as f64), &wanted).unwrap();
        assert_eq!(numbered.rows(), kept.rows());
        let Values::Numbers(held) = &numbered.columns()[0].values else { panic!() };
        let columns = data.columns().iter().cloned().map(|mut column| {
            if let (true, Values::Numbers(values)) = (column.name != "rain", &mut column.values) {
                held.iter().for_each(|row| values[*row as usize] *= 100.0);
            }
            column
        });
        let changed = Dataset::from_columns(columns.collect()).unwrap();
        let (before, after) = (fit(&data, &wanted).unwrap(), fit(&changed, &wanted).unwrap());
        assert_eq!(before.bundle.model, after.bundle.model, "{kind:?}");
        assert_eq!(before.report.folds, after.report.folds);
        let features = |t: &dunlin_learning::Trained| t.bundle.reference.clone().unwrap().features;
        assert_eq!(features(&before), features(&after));
        assert_ne!(before.report.metrics, after.report.metrics, "the hold-out itself was changed");
    }
}

#[test]
fn rows_of_one_group_never_stand_on_both_sides() {
    let mut next = noise(3);
    let rows: String = (0..400).map(|k| format!("{},unit-{},{}\n", next(), k % 13, next())).collect();
    let data = table(&format!("a,device,y\n{rows}"));
    let mut wanted = request("m-1.0.0", "y");
    wanted.split.kind = SplitKind::Group;
    wanted.split.group = Some("device".into());
    let held = holdout(&data, &wanted).unwrap();
    let Values::Texts(devices) = &held.column("device").unwrap().values else { panic!() };
    let names: std::collections::BTreeSet<_> = devices.iter().collect();
    let Values::Texts(all) = &data.column("device").unwrap().values else { panic!() };
    assert_eq!(all.iter().filter(|name| names.contains(name)).count(), held.rows());
    let report = fit(&data, &wanted).unwrap().report;
    assert_eq!(report.features.len(), 1, "the group is not a feature: {:?}", report.features);
    assert!(
        !report.better_than_baseline || report.metrics["r2"] < 0.2,
        "noise was learnt: {:?}",
        report.metrics
    );
    assert_eq!(report.folds.iter().map(|fold| fold.test_rows).sum::<usize>(), 400 - held.rows());
}

#[test]
fn rows_without_an_answer_are_left_out_and_told() {
    let rows: String = (0..200)
        .map(|k| format!("{k},{}\n", if k % 10 == 0 { String::new() } else { (2 * k).to_string() }))
        .collect();
    let mut wanted = request("m-1.0.0", "y");
    wanted.task = Some(Task::Regression);
    let report = fit(&table(&format!("x,y\n{rows}")), &wanted).unwrap().report;
    assert_eq!(report.rows.without_target, 20);
    assert!(report.warnings.iter().any(|w| w.contains("20 rows without an answer")), "{:?}", report.warnings);
    assert!(report.metrics["rmse"] < 1.0, "{:?}", report.metrics);
}
