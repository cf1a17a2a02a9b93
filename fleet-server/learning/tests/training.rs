//! Whole trainings on real and made-up tables.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::ops::ControlFlow;

use common::{fit, fit_against, flowers, power, request, weather};
use dunlin_learning::{Champion, ChampionAnswers, Progress, SplitKind, TrainError, holdout, train};
use dunlin_protocol::{
    bundle,
    spec::{OutputRole, Task},
    statistics::FeatureReference,
    tensor::{Datatype, TensorData},
};

#[test]
fn rain_is_told_clearly_better_than_by_the_majority() {
    let mut wanted = request("rain-1.0.0", "rain");
    wanted.rows = Some([0, 13_000]);
    let began = std::time::Instant::now();
    let trained = fit(&weather(), &wanted).unwrap();
    println!("13,000 rows, 5 folds, 4 penalties: {:?}", began.elapsed());
    println!("{}", trained.bundle.card);
    let report = &trained.report;
    assert!(report.metrics["accuracy"] > report.baseline["accuracy"] + 0.05, "{:?}", report.metrics);
    assert!(report.metrics["roc_auc"] > 0.75, "{:?}", report.metrics);
    assert!((report.baseline["roc_auc"] - 0.5).abs() < 1e-9);
    assert!(report.better_than_baseline);
    assert_eq!((report.rows.train, report.rows.holdout), (10_400, 2_600));
    let spec = &trained.bundle.manifest.spec;
    assert_eq!(spec.labels, ["0", "1"]);
    assert_eq!(spec.inputs[0].shape, [None, Some(8)]);
    assert_eq!(spec.outputs[0].datatype, Datatype::Int64);
    let units: Vec<_> = spec.features().map(|f| f.unit.clone().unwrap()).collect();
    assert_eq!(units, ["°F", "°F", "hPa", "mi", "kn", "kn", "°F", "°F"]);
    let facts = &trained.bundle.manifest.facts;
    assert_eq!(facts["metrics"]["accuracy"].as_f64(), Some(report.metrics["accuracy"]));
}

#[test]
fn the_reference_knows_the_seasons() {
    let mut wanted = request("rain-1.0.0", "rain");
    wanted.rows = Some([0, 6_000]);
    let reference = fit(&weather(), &wanted).unwrap().bundle.reference.unwrap();
    assert_eq!(reference.rows, 4_800);
    let FeatureReference::Numeric { spread, statistics, .. } = &reference.features[0] else {
        panic!("temperature is a number")
    };
    assert_eq!(statistics.count, 4_800);
    let rows: Vec<u32> = spread.iter().map(|s| s.rows).collect();
    assert_eq!(rows, [50, 100, 200, 400, 800]);
    // Fifty days are a season, 800 are years.
    assert!(spread[0].psi_95 > 1.0 && spread[4].psi_max < spread[0].psi_95, "{spread:?}");
    assert!(spread.iter().all(|s| s.psi_95 <= s.psi_max));
    wanted.split.kind = SplitKind::Random;
    let reference = fit(&weather(), &wanted).unwrap().bundle.reference.unwrap();
    let FeatureReference::Numeric { spread, .. } = &reference.features[0] else { panic!() };
    assert!(spread.is_empty(), "rows without order have no spread of blocks");
}

#[test]
fn three_labels_are_learnt_from_numbers_and_texts_with_gaps() {
    let mut wanted = request("flower-0.1.0", "kind");
    wanted.split.kind = SplitKind::Stratified;
    let trained = fit(&flowers(), &wanted).unwrap();
    let report = &trained.report;
    assert!(report.metrics["accuracy"] > 0.9, "{:?}", report.metrics);
    assert!(report.baseline["accuracy"] < 0.4);
    let spec = &trained.bundle.manifest.spec;
    assert_eq!(spec.labels, ["setosa", "versicolor", "virginica"]);
    let names: Vec<&str> = spec.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["petal_cm", "soil", "sepal_cm"]);
    assert_eq!(spec.inputs[1].datatype, Datatype::Bytes);
    assert_eq!(spec.inputs[1].features[0].categories, ["clay", "loam, \"wet\"", "rock", "sand"]);
    assert_eq!(spec.outputs[0].role, OutputRole::Label);
    assert_eq!(spec.outputs[0].datatype, Datatype::Bytes);
    let Some(FeatureReference::Category { statistics, .. }) =
        trained.bundle.reference.as_ref().map(|r| r.features[1].clone())
    else {
        panic!("soil is a text")
    };
    assert_eq!((statistics.seen(), statistics.other), (480, 0));
    assert!(statistics.missing > 0);
}

#[test]
fn a_straight_line_is_found_through_gaps_and_noise() {
    let mut wanted = request("power-1.0.0", "power_w");
    wanted.split.kind = SplitKind::Random;
    let trained = fit(&power(), &wanted).unwrap();
    assert_eq!(trained.report.task, Task::Regression);
    assert!(trained.report.metrics["r2"] > 0.9, "{:?}", trained.report.metrics);
    assert!(trained.report.metrics["rmse"] < trained.report.baseline["rmse"] / 3.0);
    assert!(trained.report.baseline["r2"].abs() < 0.1);
    let outputs = trained.bundle.reference.unwrap().outputs.unwrap();
    assert!(outputs.bins.is_some());
}

#[test]
fn the_same_request_gives_the_same_bytes_and_a_bundle_that_reads_back() {
    for (data, wanted) in
        [(flowers(), request("flower-0.1.0", "kind")), (power(), request("power-1.0.0", "power_w"))]
    {
        let mut wanted = wanted;
        wanted.split.kind = SplitKind::Random;
        wanted.seed = 42;
        let first = fit(&data, &wanted).unwrap().bundle;
        let bytes = first.write().unwrap();
        assert_eq!(bytes, fit(&data, &wanted).unwrap().bundle.write().unwrap());
        let again = bundle::read(&bytes).unwrap();
        assert_eq!(again.model, first.model);
        assert_eq!(again.reference, first.reference);
        wanted.seed = 43;
        assert_ne!(bytes, fit(&data, &wanted).unwrap().bundle.write().unwrap());
    }
}

#[test]
fn golden_vectors_hold_rows_with_gaps_and_unknown_texts() {
    let golden = fit(&flowers(), &request("flower-0.1.0", "kind")).unwrap().bundle.golden.unwrap();
    assert_eq!(golden.inputs.len(), 3);
    assert!(golden.inputs.iter().chain(&golden.outputs).all(|t| t.is_consistent() && t.shape[0] == 32));
    let TensorData::Fp32(petals) = &golden.inputs[0].data else { panic!() };
    let TensorData::Bytes(soils) = &golden.inputs[1].data else { panic!() };
    assert!(petals.iter().any(|v| v.is_nan()) && petals.iter().any(|v| v.is_finite()));
    assert!(soils.iter().any(|soil| soil == "(never seen)"));
    let TensorData::Fp32(probabilities) = &golden.outputs[1].data else { panic!() };
    assert!(probabilities.chunks(3).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    assert!(golden.origin.starts_with("dunlin-learning "));
}

#[test]
fn the_champion_is_judged_on_the_same_rows() {
    let data = weather();
    let mut wanted = request("rain-1.1.0", "rain");
    wanted.rows = Some([0, 4_000]);
    let rows = holdout(&data, &wanted).unwrap();
    assert_eq!(rows.rows(), 800);
    let champion = |answers| Champion { model: "rain-1.0.0".parse().unwrap(), answers };
    let dry = champion(ChampionAnswers::Labels(vec!["0".into(); 800]));
    let report = fit_against(&data, &wanted, Some(&dry)).unwrap().report;
    assert_eq!(report.champion.as_ref().unwrap().metrics["accuracy"], report.baseline["accuracy"]);
    assert_eq!(report.better_than_champion, Some(true));
    let perfect = champion(ChampionAnswers::Scores([("accuracy".to_owned(), 1.0)].into()));
    let trained = fit_against(&data, &wanted, Some(&perfect)).unwrap();
    assert_eq!(trained.report.better_than_champion, Some(false));
    assert!(trained.bundle.card.contains("rain-1.0.0"));
    let short = champion(ChampionAnswers::Labels(vec!["0".into(); 7]));
    let found = fit_against(&data, &wanted, Some(&short));
    assert!(matches!(found, Err(TrainError::Champion { found: 7, expected: 800, .. })));
}

#[test]
fn progress_counts_up_and_training_stops_when_told() {
    let data = power();
    let wanted = request("power-1.0.0", "power_w");
    let mut seen: Vec<Progress> = Vec::new();
    train(&data, &wanted, None, &mut |progress| {
        seen.push(progress);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(seen.len(), 4 * 5 + 3);
    assert!(seen.iter().enumerate().all(|(index, p)| p.done == index && p.total == seen.len()));
    assert!(seen[0].best.is_none() && seen[22].best.is_some());
    let mut calls = 0;
    let found = train(&data, &wanted, None, &mut |_| {
        calls += 1;
        if calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(found, Err(TrainError::Cancelled { done: 2, total: 23 })));
}
