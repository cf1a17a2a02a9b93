//! Doors where coupling creeps in: each heavy library is named in one place, and nothing pure looks at a clock.

use crate::tree::{is_rust, text, written};

/// A library, as paths in code begin with it, and the only folders or files that may name it.
const ONE_PLACE: [(&str, &[&str]); 9] = [
    ("ciborium", &["agent/protocol/src/cbor.rs", "agent/protocol/tests"]),
    ("serde_cbor", &["agent/protocol/tests"]),
    ("tract_onnx", &["agent/runtime"]),
    // The server's tests and those from outside play devices with it.
    ("rumqttc", &["agent/daemon/src/link", "fleet-server/server/tests", "tests/tests"]),
    ("sysinfo", &["agent/daemon/src/board"]),
    ("sigstore_tuf", &["agent/trust"]),
    ("mqtt5", &["fleet-server/server/src/broker"]),
    // Tests from outside look into the store that they check.
    ("rusqlite", &["fleet-server/server", "tests/tests"]),
    ("linfa", &["fleet-server/learning"]),
];

#[test]
fn each_heavy_library_is_named_in_one_place() {
    let mut found = Vec::new();
    for path in written("").iter().filter(|path| is_rust(path)) {
        let code = text(path).unwrap_or_default();
        for (library, places) in ONE_PLACE {
            let allowed = places.iter().any(|place| path.starts_with(place));
            if !allowed && code.lines().any(|line| names(line, library)) {
                found.push(format!("{} names {library}; only {places:?} may", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// True where a line of code, not a comment, has a path that begins with the library.
fn names(line: &str, library: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(library).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let starts = before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '"' | '-')));
        starts && code[at + library.len()..].starts_with("::")
    })
}

#[test]
fn deciders_are_told_the_time() {
    let clocks = [
        concat!("SystemTime", "::now"),
        concat!("Instant", "::now"),
        concat!("Timestamp", "::now"),
        concat!("Zoned", "::now"),
    ];
    let pure = [
        "agent/protocol",
        "agent/runtime",
        "fleet-server/learning",
        "fleet-server/monitoring",
        "fleet-server/rollout",
        "fleet-server/dashboard",
    ];
    let mut found = Vec::new();
    for path in pure.iter().flat_map(|folder| written(&format!("{folder}/src"))).filter(|path| is_rust(path))
    {
        let code = text(&path).unwrap_or_default();
        found.extend(
            clocks
                .iter()
                .filter(|clock| code.contains(*clock))
                .map(|clock| format!("{}: {clock}", path.display())),
        );
    }
    assert!(found.is_empty(), "`now` is an argument here: {found:#?}");
}
