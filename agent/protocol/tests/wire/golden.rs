//! Bytes that must never change: a device in the field wrote them. After a deliberate addition, run once with
//! `DUNLIN_GOLDEN=write` and read the difference.

use std::{fs, path::PathBuf};

use dunlin_protocol::{Message, bundle, message::Window, statistics::FeatureStatistics};

use crate::examples;

/// The file of this name among the golden ones.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Compares with the golden file, or writes it where that was asked for.
fn pin(name: &str, bytes: &[u8]) {
    let path = path(name);
    if std::env::var_os("DUNLIN_GOLDEN").is_some_and(|wish| wish == "write") {
        fs::write(&path, bytes).unwrap();
    }
    let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(golden == bytes, "{name} is written differently now; peers in the field would misread it");
}

#[test]
fn every_message_is_written_as_in_the_field() {
    for example in examples::all() {
        pin(&format!("{}.cbor", example.name), &example.bytes);
    }
}

#[test]
fn every_message_from_the_field_is_read() {
    for example in examples::all() {
        let golden = fs::read(path(&format!("{}.cbor", example.name))).unwrap();
        let again = (example.rewrite)(&golden).unwrap_or_else(|error| panic!("{}: {error}", example.name));
        assert_eq!(again, golden, "{}", example.name);
    }
}

#[test]
fn every_channel_has_a_golden_file() {
    for channel in dunlin_protocol::Channel::ALL {
        let found =
            examples::all().iter().any(|example| example.name.split('-').next() == Some(channel.as_str()));
        assert!(found, "no example of {channel}");
    }
}

#[test]
fn a_bundle_from_the_field_is_read_and_written_the_same() {
    let bundle = examples::bundle();
    pin("rain-1.4.0.dunlin", &bundle.write().unwrap());
    let read = bundle::read(&fs::read(path("rain-1.4.0.dunlin")).unwrap()).unwrap();
    assert_eq!((read.reference, read.golden, read.model), (bundle.reference, bundle.golden, bundle.model));
}

#[test]
fn a_window_from_before_repeats_were_counted_is_read_as_having_none() {
    let golden = fs::read(path("window-classes-before-repeats.cbor")).unwrap();
    let read = Window::decode(&golden).unwrap();
    let repeats = |input: &FeatureStatistics| match input {
        FeatureStatistics::Category(category) => Some(category.repeats),
        FeatureStatistics::Numeric(_) => None,
    };
    assert_eq!(read.inputs.iter().filter_map(repeats).collect::<Vec<_>>(), [0]);
    assert_eq!(read.encode().unwrap(), golden);
}
