//! Peers of another version, and another CBOR library.

use ciborium::Value;
use dunlin_protocol::{Message, MessageError, bundle::Golden, cbor, message::*, statistics::Reference};

use crate::examples;

#[test]
fn serde_cbor_writes_and_reads_the_same_bytes() {
    for example in examples::all() {
        assert_eq!(example.by_serde_cbor, example.bytes, "{} is written differently", example.name);
        assert_eq!(
            (example.through_serde_cbor)(&example.bytes),
            example.bytes,
            "{} is read differently",
            example.name
        );
    }
    let bundle = examples::bundle();
    let (reference, golden) = (bundle.reference.unwrap(), bundle.golden.unwrap());
    let written = (cbor::to_vec(&reference).unwrap(), cbor::to_vec(&golden).unwrap());
    assert_eq!((serde_cbor::to_vec(&reference).unwrap(), serde_cbor::to_vec(&golden).unwrap()), written);
    assert_eq!(serde_cbor::from_slice::<Reference>(&written.0).unwrap(), reference);
    assert_eq!(serde_cbor::from_slice::<Golden>(&written.1).unwrap(), golden);
}

/// Adds a field to every struct. A map with one entry may be an enum, where one entry is the rule.
fn add_fields(value: &mut Value) {
    match value {
        Value::Map(entries) => {
            entries.iter_mut().for_each(|(_, value)| add_fields(value));
            if entries.len() > 1 {
                let future = Value::Array(vec![Value::Bool(true), Value::Map(vec![])]);
                entries.insert(entries.len() / 2, (Value::Text("from_the_future".into()), future));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(add_fields),
        _ => {}
    }
}

#[test]
fn fields_of_a_newer_peer_are_ignored() {
    for example in examples::all() {
        let mut value: Value = ciborium::from_reader(example.bytes.as_slice()).unwrap();
        add_fields(&mut value);
        let mut bytes = Vec::new();
        ciborium::into_writer(&value, &mut bytes).unwrap();
        assert!(bytes.len() > example.bytes.len() + 20, "{}: nothing was added", example.name);
        let read = (example.rewrite)(&bytes).unwrap_or_else(|error| panic!("{}: {error:?}", example.name));
        assert_eq!(read, example.bytes, "{}", example.name);
    }
}

#[test]
fn a_newer_major_version_is_refused_with_a_way_out() {
    // The body of a later major may be anything; it is not looked at.
    let bytes = serde_cbor::to_vec(&examples::Envelope { v: 2, body: ["quite", "different"] }).unwrap();
    for example in examples::all() {
        let error = (example.rewrite)(&bytes).unwrap_err();
        assert_eq!(error, MessageError::Newer { found: 2 }, "{}", example.name);
    }
    let error = Desired::decode(&bytes).unwrap_err().to_string();
    assert!(error.contains("version 2") && error.contains("upgrade"), "{error}");
}

#[test]
fn a_message_of_another_channel_is_refused() {
    let examples = examples::all();
    let kind = |name: &'static str| name.split('-').next();
    for reader in &examples {
        for other in examples.iter().filter(|other| kind(other.name) != kind(reader.name)) {
            assert!((reader.rewrite)(&other.bytes).is_err(), "{} was read as {}", other.name, reader.name);
        }
    }
}

#[test]
fn a_message_that_nobody_would_read_is_not_written() {
    let reply = |length| Reply { ok: true, message: "x".repeat(length), values: Default::default() };
    let error = reply(MAX_BYTES).encode().unwrap_err();
    assert!(
        matches!(error, MessageError::TooLarge { kind: "reply", length } if length > MAX_BYTES),
        "{error}"
    );
    assert!(Reply::decode(&reply(MAX_BYTES - 100).encode().unwrap()).is_ok());
}
