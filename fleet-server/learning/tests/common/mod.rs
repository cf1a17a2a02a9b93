//! Tables that the tests train on.

// Each test binary uses a part of them.
#![allow(dead_code)]

use std::ops::ControlFlow;

use dunlin_learning::{Champion, Dataset, Limits, Progress, TrainError, TrainRequest, Trained, train};

/// The weather station's readings.
pub fn weather() -> Dataset {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/weather_station.csv");
    Dataset::read_csv(std::fs::File::open(path).unwrap(), &Limits::default()).unwrap()
}

/// A table from CSV text.
pub fn table(csv: &str) -> Dataset {
    Dataset::read_csv(csv.as_bytes(), &Limits::default()).unwrap()
}

/// A repeatable sequence of numbers in [0, 1).
pub fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    }
}

/// Flowers of three kinds by two sizes and the soil they grow in; some sizes and soils are missing.
pub fn flowers() -> Dataset {
    let mut next = noise(7);
    let mut csv = String::from("petal_cm,kind,soil,sepal_cm\n");
    for row in 0..600 {
        let kind = row % 3;
        let petal = 1.5 + 1.5 * kind as f64 + next();
        let sepal = 5.0 + 0.5 * kind as f64 + next();
        let soil = match (kind, next() < 0.7) {
            (0, true) => "sand",
            (1, true) => "loam, \"wet\"",
            (_, true) => "clay",
            _ => "rock",
        };
        let petal = if row % 17 == 0 { String::new() } else { format!("{petal:.3}") };
        let soil = if row % 23 == 0 { String::new() } else { format!("\"{}\"", soil.replace('"', "\"\"")) };
        csv += &format!("{petal},{},{soil},{sepal:.3}\n", ["setosa", "versicolor", "virginica"][kind]);
    }
    table(&csv)
}

/// A straight line with noise: `power_w = 20 + 3 · speed_mps − 2 · load`, some speeds missing.
pub fn power() -> Dataset {
    let mut next = noise(11);
    let mut csv = String::from("speed_mps,load,power_w\n");
    for row in 0..500 {
        let (speed, load) = (10.0 * next(), 4.0 * next());
        let power = 20.0 + 3.0 * speed - 2.0 * load + (next() - 0.5);
        let speed = if row % 50 == 3 { "NA".to_owned() } else { speed.to_string() };
        csv += &format!("{speed},{load},{power}\n");
    }
    table(&csv)
}

pub fn request(model: &str, target: &str) -> TrainRequest {
    TrainRequest::new(model.parse().unwrap(), target)
}

pub fn fit(data: &Dataset, request: &TrainRequest) -> Result<Trained, TrainError> {
    fit_against(data, request, None)
}

pub fn fit_against(
    data: &Dataset,
    request: &TrainRequest,
    champion: Option<&Champion>,
) -> Result<Trained, TrainError> {
    train(data, request, champion, &mut |_: Progress| ControlFlow::Continue(()))
}
