//! Bundles that were changed on their way, or that nobody signed.

use std::{fs, ops::Range};

use dunlin_tests::fleet::{Fleet, text};
use serde_json::json;

use super::{no_panic, roll_out, said, settings, stored, train};

/// Members of a tar and where their bytes are (POSIX ustar: name in bytes 0–99, size in octal in bytes 124–135).
pub(crate) fn members(tar: &[u8]) -> Vec<(String, Range<usize>)> {
    let (mut found, mut at) = (vec![], 0);
    while tar.get(at).is_some_and(|byte| *byte != 0) {
        let name = tar[at..at + 100].split(|byte| *byte == 0).next().unwrap();
        let size = str::from_utf8(&tar[at + 124..at + 136]).unwrap();
        let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8).unwrap();
        found.push((String::from_utf8(name.to_vec()).unwrap(), at + 512..at + 512 + size));
        at = (at + 512 + size).next_multiple_of(512);
    }
    found
}

#[test]
fn a_bundle_with_one_flipped_bit_is_refused_by_the_server() {
    let fleet = Fleet::new();
    let mut server = fleet.serve();
    train(&fleet, "1.0.0");
    let file = stored(&fleet, "1.0.0");
    let good = fs::read(&file).unwrap();
    let before = fleet.ask(&["model", "list"]);

    let mut places: Vec<(usize, String)> = vec![];
    for (name, at) in members(&good) {
        places.push((at.start - 500, "checksum".into()));
        if name != "manifest.json" {
            for place in [at.start, at.start + at.len() / 2, at.end - 1] {
                places.push((place, format!("member {name} has SHA-256")));
            }
            if at.end % 512 != 0 {
                places.push((at.end, format!("bytes behind {name}")));
            }
        }
    }
    places.push((good.len() - 1, "bytes after the last member".into()));
    assert!(places.len() > 20, "{places:?}");
    for (place, reason) in places {
        for bit in [0, 7] {
            let mut flipped = good.clone();
            flipped[place] ^= 1 << bit;
            let pushed = fleet.write("flipped.dunlin", &flipped);
            let refused = fleet.dunlin(&["model", "push", text(&pushed)]);
            said(&refused, 1, &[text(&pushed), &reason, "copy it again", "dunlin-agent check"]);
        }
    }
    // What the manifest itself says is held by the signature; here the version is known with other bytes.
    let (_, manifest) = &members(&good)[0];
    let mut flipped = good.clone();
    flipped[manifest.start + manifest.len() / 2] ^= 1;
    let pushed = fleet.write("flipped.dunlin", &flipped);
    said(&fleet.dunlin(&["model", "push", text(&pushed)]), 1, &[text(&pushed)]);

    assert_eq!(fleet.ask(&["model", "list"]), before, "nothing bad was kept");
    let same = fleet.write("same.dunlin", &good);
    said(&fleet.dunlin(&["model", "push", text(&same)]), 0, &[]);
    server.check().unwrap();
    no_panic(&fleet);
}

#[test]
fn a_bundle_that_changes_after_it_was_signed_is_refused_by_the_device_which_keeps_its_model() {
    let fleet = Fleet::new();
    let mut server = fleet.serve();
    let device = fleet.enrol("station", &settings(&fleet));
    let mut agent = device.start();
    let serving = || device.status().unwrap().pointer("/state/serving/0/model/version").cloned();
    let day =
        r#"{"inputs": [{"name": "x", "shape": [1, 8], "datatype": "FP32", "data": [1,2,3,4,5,6,7,8]}]}"#;
    let answer = || device.request("POST", "/v2/models/rain/infer", day).unwrap()["outputs"].clone();
    fleet.train("1.0.0", "0..2000");
    let good = roll_out(&fleet, "1.0.0");
    assert_eq!(good["phase"], "completed", "{good}");
    assert_eq!(serving(), Some(json!("1.0.0")));
    let before = answer();

    fleet.train("1.1.0", "0..2000");
    let file = stored(&fleet, "1.1.0");
    let mut bytes = fs::read(&file).unwrap();
    let (_, onnx) = members(&bytes).into_iter().find(|(name, _)| name == "model.onnx").unwrap();
    bytes[onnx.start + onnx.len() / 2] ^= 1;
    fs::write(&file, bytes).unwrap();
    let ended = roll_out(&fleet, "1.1.0");
    assert_eq!(ended["phase"], "rolled-back", "{ended}");
    let reason = ended["reason"].as_str().unwrap();
    for word in ["station", "rain-1.1.0.dunlin", "is not what was signed", "SHA-256"] {
        assert!(reason.contains(word), "{reason}");
    }
    let log = agent.log();
    assert!(log.contains("update to rain-1.1.0: Failed"), "{log}");
    for step in ["Staging", "SelfTest", "Activating"] {
        assert!(!log.contains(&format!("update to rain-1.1.0: {step}")), "it was opened:\n{log}");
    }
    assert_eq!(serving(), Some(json!("1.0.0")));
    assert_eq!(answer(), before, "the good model answers as it did");
    agent.check().unwrap();
    server.check().unwrap();
    no_panic(&fleet);
}

#[test]
fn a_model_that_its_owner_has_not_signed_is_not_rolled_out() {
    let fleet = Fleet::new();
    let mut server = fleet.serve();
    let _device = fleet.enrol("station", "");
    train(&fleet, "1.0.0");
    let stage = || fleet.ask(&["model", "show", "rain-1.0.0"])["stage"].clone();
    let plan = ["rollout", "start", "rain-1.0.0", "--dry-run"];
    said(&fleet.dunlin(&plan), 1, &["rain-1.0.0", "has not signed", "dunlin model sign rain-1.0.0"]);
    let unknown = fleet.dunlin(&["rollout", "start", "rain-7.7.7"]);
    said(&unknown, 1, &["rain-7.7.7", "not here", "dunlin model list"]);
    said(&fleet.dunlin(&["rollout", "start", "rain"]), 2, &["rain", "rain-1.4.0"]);

    // A key that the root does not name signs nothing.
    let foreign = fleet.path("foreign-keys");
    fs::create_dir(&foreign).unwrap();
    let none = fleet.dunlin(&["model", "sign", "rain-1.0.0", "--owner-keys", text(&foreign)]);
    said(&none, 1, &["no release key", text(&foreign)]);
    let made = fleet.dunlin(&["key", "create", text(&foreign.join("release.pk8"))]);
    said(&made, 0, &[]);
    let refused = fleet.dunlin(&["model", "sign", "rain-1.0.0", "--owner-keys", text(&foreign)]);
    said(&refused, 1, &["targets", "sign with the release key that the root names"]);
    assert_eq!(stage(), "candidate");
    said(&fleet.dunlin(&plan), 1, &["has not signed"]);

    said(&fleet.dunlin(&["model", "sign", "rain-1.0.0"]), 0, &[]);
    assert_eq!(stage(), "release");
    said(&fleet.dunlin(&plan), 0, &[]);
    server.check().unwrap();
    no_panic(&fleet);
}
