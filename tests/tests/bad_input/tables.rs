//! CSV files that cannot be trained on, run on, or replayed.

use std::{path::PathBuf, time::Duration};

use dunlin_tests::{
    fleet::{Fleet, readings, text},
    programs::until,
};

use serde_json::{Value, json};

use super::{agent, events, no_panic, roll_out, said, settings, stored, train};

/// The first rows of the readings, each line changed by `change`, which is given its number from 1 and its cells.
fn table(change: impl Fn(usize, &mut Vec<String>)) -> Vec<u8> {
    let mut text = String::new();
    for (index, line) in readings().lines().take(400).enumerate() {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        change(index + 1, &mut cells);
        text += &format!("{}\n", cells.join(","));
    }
    text.into_bytes()
}

/// The header, and nothing else.
fn header() -> Vec<u8> {
    readings().lines().next().unwrap().into()
}

/// Files that are not tables at all, or not whole: name, content, what is said of it.
fn broken() -> Vec<(&'static str, Vec<u8>, Vec<&'static str>)> {
    let latin = [table(|_, _| {}), b"caf\xe9,1,2,3,4,5,6,7,0\n".to_vec()].concat();
    let ragged = table(|line, cells| cells.truncate(if line == 21 { 3 } else { 9 }));
    let twice = table(|line, cells| {
        if line == 1 {
            cells[1] = cells[0].clone()
        }
    });
    let text = table(|line, cells| {
        if line == 15 {
            cells[1] = "warm".into()
        }
    });
    vec![
        ("latin.csv", latin, vec!["line 401", "UTF-8", "save"]),
        ("binary.csv", b"\xff\xfe\x00\x01,\xc3\x28\n1,2\n".to_vec(), vec!["line 1", "UTF-8", "save"]),
        ("ragged.csv", ragged, vec!["line 21", "3 cells", "has 9", "quote cells"]),
        ("twice.csv", twice, vec!["temperature_f", "stands twice in the header", "rename"]),
        ("text.csv", text, vec!["dew_point_f", "line 15", "warm", "not a number", "correct the cell"]),
    ]
}

#[test]
fn a_table_that_cannot_be_trained_on_is_named_with_row_column_and_cure() {
    let fleet = Fleet::new();
    let mut server = fleet.serve();
    let mut cases = broken();
    let rows = "at least one row";
    cases.push(("header.csv", header(), vec!["no rows", rows]));
    cases.push(("empty.csv", vec![], vec!["no rows", rows]));
    for (name, content, words) in cases {
        let file = fleet.write(name, content);
        let refused = fleet.dunlin(&["train", text(&file), "--model", "rain", "--target", "rain"]);
        said(&refused, 1, &[&words[..], &[text(&file), "upload it again"]].concat());
    }
    let gone = fleet.path("gone.csv");
    let refused = fleet.dunlin(&["train", text(&gone), "--model", "rain", "--target", "rain"]);
    said(&refused, 1, &[text(&gone), "No such file", "check the path"]);

    let good = fleet.write("good.csv", table(|_, _| {}));
    let dry = table(|line, cells| {
        if line > 1 {
            cells[8] = "0".into()
        }
    });
    let dry = fleet.write("dry.csv", dry);
    let wishes: &[(&PathBuf, &[&str], &[&str])] = &[
        (&good, &["--target", "rian"], &["\"rian\"", "good", "which has", "max_temperature_f", "correct"]),
        (
            &good,
            &["--target", "rain", "--features", "dew_point_f,dust"],
            &["\"dust\"", "which has", "correct"],
        ),
        (&good, &["--target", "rain", "--rows", "1000..2000"], &["[1000, 2000]", "0 to 399", "within them"]),
        (&dry, &["--target", "rain"], &["\"rain\"", "1 different label", "choose another target"]),
    ];
    for (file, wish, words) in wishes {
        let refused = fleet.dunlin(&[&["train", text(file), "--model", "rain"], *wish].concat());
        said(&refused, 1, words);
    }
    let unknown =
        fleet.dunlin(&["train", text(&good), "--model", "rain", "--target", "rain", "--split", "luck"]);
    said(&unknown, 2, &["luck", "--split", "random"]);

    assert_eq!(fleet.ask(&["model", "list"]).as_array().unwrap().len(), 0, "no model came of it");
    fleet.ask(&["train", text(&good), "--model", "rain", "--target", "rain"]);
    server.check().unwrap();
    no_panic(&fleet);
}

#[test]
fn a_table_that_does_not_fit_the_model_is_named_with_row_and_column() {
    let fleet = Fleet::new();
    let _server = fleet.serve();
    train(&fleet, "1.0.0");
    let model = stored(&fleet, "1.0.0");
    let infer = |file: &PathBuf| agent(&["infer", "--model", text(&model), "--input", text(file)]);
    let mut cases = broken();
    let missing = table(|_, cells| drop(cells.remove(0)));
    cases.push(("missing.csv", missing, vec!["temperature_f", "is missing", "there are `dew_point_f`"]));
    cases.push(("header.csv", header(), vec!["a header and no row", "add rows"]));
    cases.push(("empty.csv", vec![], vec!["the file is empty", "names the columns"]));
    cases.push(("cut.json", b"{".to_vec(), vec!["line 1", "not JSON"]));
    let request = br#"{"inputs": [{"name": "x", "shape": [1, 8], "datatype": "FP32", "data": [1]}]}"#;
    cases.push(("short.json", request.to_vec(), vec!["input `x`", "1 element", "[1, 8]"]));
    let untyped = br#"{"inputs": [{"name": "x", "shape": [1, 8], "data": [1]}]}"#;
    cases.push((
        "untyped.json",
        untyped.to_vec(),
        vec!["not an Open Inference Protocol request", "datatype"],
    ));
    let row = "[1, 2, 3, 4, 5, 6, 7, NaN]";
    let wish = |output: &str| {
        let x = format!(r#"{{"name": "x", "shape": [1, 8], "datatype": "FP32", "data": {row}}}"#);
        format!(r#"{{"inputs": [{x}], "outputs": [{{"name": "{output}"}}]}}"#).into_bytes()
    };
    cases.push(("unknown.json", wish("rain"), vec!["output `rain`", "label, probabilities"]));
    for (name, content, words) in cases {
        let file = fleet.write(name, content);
        said(&infer(&file), 1, &[&words[..], &[text(&file)]].concat());
    }
    let label = fleet.write("label.json", wish("label"));
    let answered = agent(&["infer", "--model", text(&model), "--input", text(&label), "--json"]);
    let answered: Value = serde_json::from_slice(&answered.stdout).unwrap();
    let outputs = answered["outputs"].as_array().unwrap();
    assert_eq!((outputs.len(), &outputs[0]["name"]), (1, &json!("label")), "only what was asked for");

    let gone = fleet.path("gone.csv");
    said(&infer(&gone), 1, &[text(&gone), "No such file", "check the path"]);
    said(&agent(&["infer", "--input", text(&gone)]), 2, &["--model"]);

    // An empty cell is a missing value, which the model was trained to take.
    let holes = table(|line, cells| {
        if line == 15 {
            cells[1].clear()
        }
    });
    said(&infer(&fleet.write("holes.csv", holes)), 0, &[]);
}

#[test]
fn a_bad_table_that_is_replayed_is_told_of_and_the_model_goes_on_answering() {
    let fleet = Fleet::new();
    let mut server = fleet.serve();
    fleet.train("1.0.0", "0..2000");
    let mut running = fleet.enrol("station", &settings(&fleet)).start();
    assert_eq!(roll_out(&fleet, "1.0.0")["phase"], "completed");
    running.kill();
    drop(running);

    let missing = table(|_, cells| drop(cells.remove(0)));
    let mut cases = broken();
    cases.retain(|(name, ..)| !["twice.csv", "binary.csv"].contains(name));
    cases.push(("missing.csv", missing, vec!["temperature_f", "is missing"]));
    cases.push(("header.csv", header(), vec!["no rows, at most a header", "source.path"]));
    for (name, content, words) in cases {
        let file = fleet.write(name, content);
        let source = format!("[source]\nkind = \"replay\"\npath = {:?}\nrows_per_second = 0\n", text(&file));
        let device = fleet.device("station", &source);
        let mut running = device.start();
        until(&format!("the server hears of {name}"), Duration::from_secs(20), || {
            running.check()?;
            let told = events(&fleet, "source-failed");
            let named = |event: &&String| event.contains(text(&file));
            let found = told.iter().filter(named).any(|event| words.iter().all(|word| event.contains(word)));
            if found { Ok(()) } else { Err(format!("{words:?} not in {told:?}")) }
        });
        let day =
            r#"{"inputs": [{"name": "x", "shape": [1, 8], "datatype": "FP32", "data": [1,2,3,4,5,6,7,8]}]}"#;
        device.request("POST", "/v2/models/rain/infer", day).unwrap();
        running.check().unwrap();
    }

    // What cannot be a source at all ends the agent at its start, before it takes anything on.
    for (name, content, words) in [
        (
            "again.csv",
            table(|line, cells| {
                if line == 1 {
                    cells[1] = cells[0].clone()
                }
            }),
            ["stands twice", "rename"],
        ),
        ("nothing.csv", vec![], ["the file is empty", "names the columns"]),
    ] {
        let file = fleet.write(name, content);
        let source = format!("[source]\nkind = \"replay\"\npath = {:?}\n", text(&file));
        fleet.device("station", &source);
        let refused = agent(&["run", "--config", text(&fleet.path("station.toml"))]);
        said(&refused, 1, &[&words[..], &[text(&file)]].concat());
    }
    server.check().unwrap();
    no_panic(&fleet);
}
