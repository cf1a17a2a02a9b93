//! Files that are not models.

use std::{fs, path::PathBuf, process::Output};

use dunlin_tests::{
    fleet::{Fleet, text},
    root,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

use super::{agent, no_panic, said, stored, train};

/// What is wrong with a file → what is said of it.
fn files(fleet: &Fleet) -> Vec<(PathBuf, Vec<&'static str>)> {
    let mut random = vec![0; 4096];
    StdRng::seed_from_u64(7).fill(&mut random[..]);
    let bundle = fs::read(stored(fleet, "1.0.0")).unwrap();
    let onnx = member(&bundle, "model.onnx");
    let not_onnx = vec!["not an ONNX model", "give the .onnx file itself"];
    let not_bundle = ["not a Dunlin bundle"];
    let mut tar = [0; 2048];
    let header = member_header("notes.txt");
    tar[..512].copy_from_slice(&header);
    vec![
        (fleet.write("random.onnx", &random), not_onnx.clone()),
        (fleet.write("empty.onnx", ""), vec!["not an ONNX model", "the file is empty"]),
        (fleet.write("truncated.onnx", &onnx[..onnx.len() / 2]), not_onnx.clone()),
        (fleet.write("text.onnx", "a model of rain, in words"), not_onnx),
        (fleet.write("random.dunlin", &random), [&not_bundle[..], &["copy it again"]].concat()),
        (fleet.write("empty.dunlin", ""), vec!["manifest.json is missing", "copy the file again"]),
        (fleet.write("truncated.dunlin", &bundle[..3000]), [&not_bundle[..], &["cut off"]].concat()),
        (
            fleet.write("foreign.dunlin", tar),
            [&not_bundle[..], &["notes.txt", "NAME-VERSION.dunlin"]].concat(),
        ),
        (fleet.write("foreign.tar", tar), [&not_bundle[..], &["notes.txt", "NAME-VERSION.dunlin"]].concat()),
    ]
}

/// The bytes of one member of a bundle (POSIX ustar: name in bytes 0–99, size in octal in bytes 124–135).
fn member<'a>(tar: &'a [u8], name: &str) -> &'a [u8] {
    super::bundles::members(tar).into_iter().find(|(found, _)| found == name).map(|(_, at)| &tar[at]).unwrap()
}

/// A ustar header of an empty file.
fn member_header(name: &str) -> [u8; 512] {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[test]
fn what_is_not_a_model_is_refused_by_check_infer_and_push() {
    let fleet = Fleet::new();
    let mut server = fleet.serve();
    train(&fleet, "1.0.0");
    let rows = root().join("tests/data/weather_station.csv");
    for (file, words) in files(&fleet) {
        let words = [&words[..], &[text(&file)]].concat();
        said(&agent(&["check", text(&file)]), 1, &words);
        said(&agent(&["infer", "--model", text(&file), "--input", text(&rows)]), 1, &words);
        let push = ["model", "push", text(&file)];
        let bundle = file.extension().is_some_and(|ending| ending == "dunlin");
        let push = if bundle { push.to_vec() } else { [&push[..], &["--as", "rain-2.0.0"]].concat() };
        said(&fleet.dunlin(&push), 1, &[&words[..], &["dunlin-agent check"]].concat());

        let checked = agent(&["check", text(&file), "--json"]);
        let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_eq!(checked["ok"], false);
        assert!(checked["error"].as_str().unwrap().contains(words[0]), "{checked}");
    }
    let gone = fleet.path("gone.onnx");
    said(&agent(&["check", text(&gone)]), 1, &[text(&gone), "No such file", "give the path"]);
    let infer = ["infer", "--model", text(&gone), "--input", text(&rows)];
    said(&agent(&infer), 1, &[text(&gone), "No such file", "give the path"]);
    let push = fleet.dunlin(&["model", "push", text(&gone), "--as", "rain-2.0.0"]);
    said(&push, 1, &[text(&gone), "No such file", "check the path"]);
    let none = fleet.path("none");
    let infer = ["infer", "--model", "rain", "--input", text(&rows), "--data-dir", text(&none)];
    said(&agent(&infer), 1, &["\"rain\"", "neither a file nor a model"]);

    // A bare ONNX file does not say what it is; then it is taken with a name.
    let bundle = fs::read(stored(&fleet, "1.0.0")).unwrap();
    let onnx = fleet.write("good.onnx", member(&bundle, "model.onnx"));
    let unnamed = fleet.dunlin(&["model", "push", text(&onnx)]);
    said(&unnamed, 1, &[text(&onnx), "neither name nor version", "--as NAME-VERSION"]);
    assert_eq!(fleet.ask(&["model", "list"]).as_array().unwrap().len(), 1, "nothing bad was kept");
    said(&fleet.dunlin(&["model", "push", text(&onnx), "--as", "rain-2.0.0"]), 0, &[]);
    server.check().unwrap();
    no_panic(&fleet);
}

#[test]
fn numbers_are_compared_with_those_of_another_runtime_before_anything_is_kept() {
    let fleet = Fleet::new();
    let mut server = fleet.serve();
    let folder = root().join("agent/runtime/tests/models");
    let (onnx, golden) = (folder.join("bc_logreg.onnx"), folder.join("bc_logreg.json"));
    let mut told: Value = serde_json::from_slice(&fs::read(&golden).unwrap()).unwrap();
    let score = &mut told["outputs"][1]["data"][3];
    *score = (score.as_f64().unwrap() + 0.01).into();
    let other = fleet.write("other.json", told.to_string());
    let table = fleet.write("no_answers.csv", "a,b\n1,2\n");

    let (onnx, golden) = (text(&onnx), text(&golden));
    let push = |version: &str, file: &str| {
        fleet.dunlin(&["model", "push", onnx, "--as", &format!("tumor-{version}"), "--golden", file])
    };
    let differs = ["numbers differ from another runtime", "row 1"];
    // What a check finds is its output, not an error of the program.
    let found = |output: Output, code: i32, words: &[&str]| {
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "no {word:?} in {text}"));
    };
    found(agent(&["check", onnx, "--golden", text(&other)]), 1, &differs);
    said(&push("1.0.0", text(&other)), 1, &differs);
    said(&push("1.0.0", text(&table)), 1, &["the golden file", "name them like the outputs"]);
    let check = fleet.dunlin(&["model", "check", onnx, "--golden", text(&other)]);
    said(&check, 1, &["cannot be used as it is"]);
    found(check, 1, &differs);
    assert_eq!(fleet.ask(&["model", "list"]), serde_json::json!([]), "nothing was kept");

    found(agent(&["check", onnx, "--golden", golden]), 0, &["it runs on this agent, and", "rows agree"]);
    found(fleet.dunlin(&["model", "check", onnx]), 0, &["it runs", "numbers not compared"]);
    found(push("1.0.0", golden), 0, &["passed its probe"]);
    assert_eq!(fleet.ask(&["model", "show", "tumor-1.0.0"])["compared"], true);
    found(fleet.dunlin(&["model", "push", onnx, "--as", "tumor-1.0.1"]), 0, &["were not compared"]);
    assert_eq!(fleet.ask(&["model", "show", "tumor-1.0.1"])["compared"], false);
    server.check().unwrap();
    no_panic(&fleet);
}
