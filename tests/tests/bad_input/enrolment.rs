//! Tokens and fingerprints that are not right.

use std::{fs, time::Duration};

use dunlin_tests::{fleet::Fleet, programs::until};
use serde_json::json;

use super::{no_panic, said};

const NEW_TOKEN: &str = "dunlin token create";

#[test]
fn a_token_that_is_wrong_used_up_or_expired_is_refused_and_a_good_one_works_after() {
    let fleet = Fleet::new();
    let mut server = fleet.serve();
    let device = fleet.device("station", "");

    let wrong = device.enrol(&fleet, &fleet.fingerprint, "no-such-token");
    said(&wrong, 1, &["enrolment token", "not known", "mistyped", NEW_TOKEN]);

    let token = fleet.enrolment_token();
    said(&fleet.device("first", "").enrol(&fleet, &fleet.fingerprint, &token), 0, &[]);
    let used = device.enrol(&fleet, &fleet.fingerprint, &token);
    said(&used, 1, &["enrolment token", "used-up", NEW_TOKEN]);

    let short = fleet.ask(&["token", "create", "--seconds", "1", "--label", "short"]);
    until("the token expires", Duration::from_secs(20), || {
        let tokens = fleet.ask(&["token", "list"]);
        let found = tokens.as_array().unwrap().iter().find(|token| token["label"] == "short").unwrap();
        if found["status"] == "expired" { Ok(()) } else { Err(found.to_string()) }
    });
    let expired = device.enrol(&fleet, &fleet.fingerprint, short["token"].as_str().unwrap());
    said(&expired, 1, &["enrolment token", "expired", NEW_TOKEN]);

    // A token for programs is not one for devices.
    let other_kind = device.enrol(&fleet, &fleet.fingerprint, &fleet.admin_token);
    said(&other_kind, 1, &["enrolment token", "not known", NEW_TOKEN]);

    assert!(!device.folder.join("identity/server.json").exists(), "a refused device is not enrolled");
    assert_eq!(fleet.ask(&["device", "list"]).as_array().unwrap().len(), 1, "one device is known");
    said(&device.enrol(&fleet, &fleet.fingerprint, &fleet.enrolment_token()), 0, &[]);
    server.check().unwrap();
    no_panic(&fleet);
    let log = server.log();
    for secret in [&token, short["token"].as_str().unwrap(), &fleet.admin_token] {
        assert!(!log.contains(secret), "a token is in the log");
    }
}

#[test]
fn a_name_that_is_taken_is_given_again_by_a_token_for_that_device_only() {
    let fleet = Fleet::new();
    let _server = fleet.serve();
    let device = fleet.enrol("station", "");
    let before = fs::read(device.folder.join("identity/cert.pem")).unwrap();

    let refused = device.enrol(&fleet, &fleet.fingerprint, &fleet.enrolment_token());
    said(&refused, 1, &["station", "enrolled already", "dunlin token create --device station"]);
    assert_eq!(fs::read(device.folder.join("identity/cert.pem")).unwrap(), before);

    // The way out works as it is written.
    let token = fleet.ask(&["token", "create", "--device", "station"]);
    said(&device.enrol(&fleet, &fleet.fingerprint, token["token"].as_str().unwrap()), 0, &[]);
    no_panic(&fleet);
}

#[test]
fn a_wrong_fingerprint_is_refused_before_the_token_leaves_the_device() {
    let fleet = Fleet::new();
    let mut server = fleet.serve();
    let device = fleet.device("station", "");
    let token = fleet.enrolment_token();
    let wrong = format!("sha256:{}", "ab".repeat(32));
    said(
        &device.enrol(&fleet, &wrong, &token),
        1,
        &[&fleet.url(), &wrong, "fingerprint", "copy the enrolment"],
    );
    said(&device.enrol(&fleet, "sha256:abc", &token), 1, &["\"sha256:abc\"", "64 hex digits", NEW_TOKEN]);

    let login = ["login", &fleet.url(), "--ca", &wrong, "--token", &fleet.admin_token];
    said(&fleet.dunlin(&login), 1, &[&fleet.url(), &wrong, "compare the fingerprint"]);
    let login = ["login", &fleet.url(), "--ca", &fleet.fingerprint, "--token", "mistyped"];
    said(&fleet.dunlin(&login), 1, &["API token", "not known", "dunlin token create --api"]);

    // The token was not used, and the login of before holds.
    assert_eq!(fleet.ask(&["device", "list"]), json!([]));
    said(&device.enrol(&fleet, &fleet.fingerprint, &token), 0, &[]);
    server.check().unwrap();
    no_panic(&fleet);
}

#[test]
fn a_token_for_no_time_at_all_is_wrong_usage() {
    let fleet = Fleet::new();
    for wish in [["--hours", "0"], ["--hours", "4000000000"], ["--seconds", "0"], ["--device", "a b"]] {
        let refused = fleet.dunlin(&[&["token", "create"], &wish[..]].concat());
        said(&refused, 2, &[wish[0], wish[1]]);
    }
}
