//! The life of one board: it waits for its enrolment, takes a model, takes the next, goes back from one that ends it,
//! and gives on its own processor the numbers that this machine gives.
//!
//! `DUNLIN_BOARD_AGENT` names the agent of a board, with the emulator before it; without it the agent of this machine
//! is taken. `cross/test` runs it so for every processor.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use dunlin_tests::{
    fleet::{Device, Fleet, json, readings, text},
    programs::{Program, board_output, output, until},
    root,
};
use serde_json::Value;

/// Long: an emulated board is slow.
const SOON: Duration = Duration::from_secs(90);

const WAVES: &str = "[[wave]]\npercent = 100\nsoak = \"1s\"\nmin_devices = 1\nmin_inferences = 1\n\
    max_failure_ratio = 0.5\nmax_health_drop = 0.9\ndeadline = \"2h\"\n";

fn serving(device: &Device) -> Result<String, String> {
    let status = device.status()?;
    let version = status.pointer("/state/serving/0/model/version").and_then(Value::as_str);
    version.map(str::to_owned).ok_or_else(|| format!("no model: {status}"))
}

fn wait_for(device: &Device, agent: &mut Program, version: &str) {
    until(&format!("{version} serves"), SOON, || {
        agent.check()?;
        match serving(device)? {
            found if found == version => Ok(()),
            found => Err(found),
        }
    });
}

/// The state of the update to this version, as the device tells it.
fn update(device: &Device, version: &str) -> Result<Value, String> {
    let status = device.status()?;
    let updates = status.pointer("/state/updates").and_then(Value::as_array).cloned().unwrap_or_default();
    let ours = updates.iter().find(|update| update["model"]["version"] == version);
    ours.map(|update| update["state"].clone()).ok_or_else(|| format!("no update to {version}: {status}"))
}

/// Labels alike to the letter, numbers to 1e-5 of their size.
fn assert_alike(here: &Value, board: &Value) {
    match (here, board) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{a} here, {b} on the board");
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| assert_alike(a, b));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().for_each(|(key, value)| assert_alike(value, &b[key]));
        }
        _ => assert_eq!(here, board),
    }
}

#[test]
fn a_board_enrols_takes_models_and_goes_back_from_one_that_ends_it() {
    let fleet = Fleet::new();
    let readings = fleet.write("readings.csv", readings());
    let waves = text(&fleet.write("waves.toml", WAVES)).to_owned();
    let settings = |probation: u32| {
        let source =
            format!("kind = \"replay\"\npath = {:?}\nrows_per_second = 20\nrepeat = true", text(&readings));
        format!(
            "[telemetry]\nwindow_seconds = 1\n[update]\nprobation_seconds = {probation}\n[source]\n{source}\n"
        )
    };
    let _server = fleet.serve();
    fleet.train("1.0.0", "0..3000");
    fleet.train("1.1.0", "3000..9000");
    fleet.train("1.2.0", "0..9000");
    // One rollout of a model at a time: the next begins when the one before has ended.
    let roll_out = |version: &str| {
        let model = format!("rain-{version}");
        until(&format!("the rollout of {version} begins"), SOON, || {
            let said = fleet.dunlin(&["rollout", "start", &model, "--waves", &waves]);
            if said.status.success() {
                Ok(())
            } else {
                Err(String::from_utf8_lossy(&said.stderr).into_owned())
            }
        });
    };

    // As after `apt install`: it runs, and waits.
    let device = fleet.device("station", &settings(1));
    let mut agent = device.start();
    until("the agent answers", SOON, || device.status());
    let said = device.enrol(&fleet, &fleet.fingerprint, &fleet.enrolment_token());
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    until("it connects without being started again", SOON, || {
        agent.check()?;
        let status = device.status()?;
        if status["link"]["connected"] == true { Ok(()) } else { Err(status.to_string()) }
    });

    for version in ["1.0.0", "1.1.0"] {
        roll_out(version);
        wait_for(&device, &mut agent, version);
        until("the update has ended", SOON, || match update(&device, version)? {
            state if state == "Committed" => Ok(()),
            state => Err(state.to_string()),
        });
    }
    until("rows are answered", SOON, || {
        let status = device.status()?;
        if status["rows"]["answered"].as_u64() > Some(20) { Ok(()) } else { Err(status.to_string()) }
    });

    // It examines itself, and is not disturbed by that.
    let connections = device.status().unwrap()["link"]["connections"].clone();
    let lines = json(&device.run(&["doctor", "--json"]));
    let verdict = |name: &str| {
        let lines = lines["lines"].as_array().unwrap();
        lines.iter().find(|line| line["name"] == name).map(|line| line["verdict"].clone()).unwrap_or_default()
    };
    for name in ["server", "certificate", "broker", "model", "agent"] {
        assert_eq!(verdict(name), "ok", "{name}: {lines:#}");
    }
    assert_eq!(device.status().unwrap()["link"]["connections"], connections, "still the same connection");

    // A model on trial under which the agent ends again and again.
    drop(agent);
    let device = fleet.device("station", &settings(600));
    let mut agent = device.start();
    until("the agent answers", SOON, || device.status());
    roll_out("1.2.0");
    wait_for(&device, &mut agent, "1.2.0");
    for _ in 0..4 {
        agent.kill();
        agent = device.start();
        until("the agent answers", SOON, || {
            agent.check()?;
            device.status()
        });
    }
    wait_for(&device, &mut agent, "1.1.0");
    // By now the device may have been told to run 1.1.0, and forgot the trial; the server remembers why.
    until("the rollout says why it went back", SOON, || {
        let rollouts = fleet.ask(&["rollout", "list"]).to_string();
        if rollouts.contains("the agent ended 4 times") { Ok(()) } else { Err(rollouts) }
    });
}

#[test]
fn a_board_gives_the_numbers_that_this_machine_gives() {
    let folder = root().join("agent/runtime/tests/models");
    let mut models: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "onnx"))
        .collect();
    models.sort();
    assert!(models.len() >= 8, "{models:?}");
    for model in models {
        let rows = model.with_extension("json");
        let arguments = ["infer", "--model", text(&model), "--input", text(&rows), "--json"];
        let here = json(&output("dunlin-agent", &arguments, &[]));
        let board = json(&board_output(&arguments));
        assert_alike(&here["outputs"], &board["outputs"]);
    }
}

#[test]
fn a_panic_of_the_engine_is_an_error_and_ends_no_agent() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |index: u32| {
        let path = folder.path().join("request.json");
        let input = serde_json::json!({"name": "index", "datatype": "INT64", "shape": [1], "data": [index]});
        std::fs::write(&path, serde_json::json!({ "inputs": [input] }).to_string()).unwrap();
        let model = root().join("tests/data/table_lookup.onnx");
        board_output(&["infer", "--model", text(&model), "--input", text(&path)])
    };
    assert_eq!(String::from_utf8_lossy(&ask(2).stdout).trim(), "30");
    let failed = ask(7);
    // Exit 1, by itself: a program that aborts has no exit code.
    assert_eq!(failed.status.code(), Some(1));
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(said.contains("the engine gave up on it") && said.contains("the index is 7"), "{said}");
}
