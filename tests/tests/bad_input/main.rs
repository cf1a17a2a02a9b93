//! Every bad input of the first flight, given to the real programs: each is refused with a message that names the
//! thing, the reason and the way out; nothing crashes, and what worked before works after.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod bundles;
mod enrolment;
mod models;
mod settings;
mod tables;

use std::{fs, path::PathBuf, process::Output, time::Duration};

use dunlin_tests::{
    fleet::{Fleet, readings, text},
    programs::{output, until},
    root,
};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// Checks that a program ended with `code` and that its message has every one of `words`, and no panic.
#[track_caller]
fn said(output: &Output, code: i32, words: &[&str]) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    assert!(!err.contains("panicked") && !out.contains("panicked"), "{out}{err}");
    for word in words {
        assert!(err.contains(word), "the message has no {word:?}:\n{err}");
    }
    assert!(err.chars().all(|c| c == '\n' || !c.is_control()), "the message is not plain text: {err:?}");
}

/// Checks that the programs of this fleet printed no panic.
#[track_caller]
fn no_panic(fleet: &Fleet) {
    for entry in fs::read_dir(fleet.path("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "log") {
            let log = fs::read_to_string(&path).unwrap();
            assert!(!log.contains("panicked"), "{}:\n{log}", path.display());
        }
    }
}

/// Runs `dunlin-agent` to its end.
fn agent(arguments: &[&str]) -> Output {
    output("dunlin-agent", arguments, &[])
}

/// Trains `rain` on some of the readings, without signing it.
fn train(fleet: &Fleet, version: &str) {
    let data = root().join("tests/data/weather_station.csv");
    let wish = ["train", text(&data), "--model", "rain", "--target", "rain", "--rows", "0..2000"];
    fleet.ask(&[&wish[..], &["--version", version]].concat());
}

/// Where the server keeps this version's bundle.
fn stored(fleet: &Fleet, version: &str) -> PathBuf {
    let model = fleet.ask(&["model", "show", &format!("rain-{version}")]);
    let sha256 = model.pointer("/target/sha256").unwrap().as_str().unwrap();
    fleet.path("server/objects").join(&sha256[..2]).join(sha256)
}

/// Messages of the events with this code that the server has stored, of all devices.
fn events(fleet: &Fleet, code: &str) -> Vec<String> {
    let store = fleet.path("server/store.db");
    let store = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut found = store.prepare("SELECT message FROM events WHERE code = ?1").unwrap();
    let found = found.query_map([code], |row| row.get(0)).unwrap();
    found.collect::<Result<_, _>>().unwrap()
}

const WAVES: &str = "[[wave]]\npercent = 100\nsoak = \"1s\"\nmin_devices = 1\nmin_inferences = 20\n\
    max_failure_ratio = 0.5\nmax_health_drop = 0.5\ndeadline = \"30s\"\n";

/// Settings of a device that has rows for a model, and windows fast enough for a rollout's gate.
fn settings(fleet: &Fleet) -> String {
    let rows = fleet.write("rows.csv", readings());
    let source = format!("kind = \"replay\"\npath = {:?}\nrows_per_second = 50\nrepeat = true", text(&rows));
    format!("[telemetry]\nwindow_seconds = 1\n[update]\nprobation_seconds = 1\n[source]\n{source}\n")
}

/// Rolls a signed version out and waits until the rollout has ended; how it stands then.
fn roll_out(fleet: &Fleet, version: &str) -> Value {
    let waves = fleet.write("waves.toml", WAVES);
    let begun = fleet.ask(&["rollout", "start", &format!("rain-{version}"), "--waves", text(&waves)]);
    let id = begun["id"].as_str().unwrap();
    until(&format!("the rollout of {version} ends"), Duration::from_secs(60), || {
        let shown = fleet.ask(&["rollout", "show", id]);
        if shown["ended"] == true { Ok(shown) } else { Err(shown.to_string()) }
    })
}
