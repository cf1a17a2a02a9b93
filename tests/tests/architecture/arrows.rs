//! Who may import whom. The table is the drawing in ARCHITECTURE.md; there are no other arrows.

use std::collections::BTreeSet;

use crate::workspace::{PACKAGES, linked, ours};

/// Each package and those of this repository that it may import.
const ARROWS: [(&str, &[&str]); 14] = [
    ("dunlin-protocol", &[]),
    ("dunlin-trust", &["dunlin-protocol"]),
    ("dunlin-kernels", &[]),
    ("dunlin-runtime", &["dunlin-kernels", "dunlin-protocol"]),
    ("dunlin-pages", &[]),
    ("dunlin-agent", &["dunlin-runtime", "dunlin-trust", "dunlin-pages", "dunlin-protocol"]),
    ("dunlin-simulator", &["dunlin-agent", "dunlin-protocol"]),
    ("dunlin-learning", &["dunlin-protocol"]),
    ("dunlin-monitoring", &["dunlin-protocol"]),
    ("dunlin-rollout", &["dunlin-protocol"]),
    ("dunlin-dashboard", &["dunlin-protocol"]),
    (
        "dunlin-server",
        &[
            "dunlin-learning",
            "dunlin-monitoring",
            "dunlin-rollout",
            "dunlin-dashboard",
            "dunlin-trust",
            "dunlin-protocol",
        ],
    ),
    ("dunlin-cli", &["dunlin-trust", "dunlin-protocol"]),
    ("dunlin-tests", &[]),
];

#[test]
fn packages_import_only_along_the_arrows() {
    let drawn: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let built: BTreeSet<&str> = PACKAGES.values().filter(|p| p.ours).map(|p| p.name.as_str()).collect();
    assert_eq!(built, drawn, "the packages of the workspace are not those of the drawing");
    let mut forbidden = Vec::new();
    for (name, allowed) in ARROWS {
        for import in ours(name).imports.iter().map(|id| &PACKAGES[id]).filter(|import| import.ours) {
            if !allowed.contains(&import.name.as_str()) {
                forbidden.push(format!("{name} -> {}", import.name));
            }
        }
    }
    assert!(forbidden.is_empty(), "arrows that are not in the drawing: {forbidden:?}");
}

#[test]
fn end_to_end_tests_look_from_outside() {
    // Only the vocabulary may be shared with what is tested; all else is reached through its programs.
    let tests = ours("dunlin-tests");
    for import in tests.imports.iter().chain(&tests.tests_import).map(|id| &PACKAGES[id]) {
        let allowed = !import.ours || import.name == "dunlin-protocol";
        assert!(allowed, "dunlin-tests imports {}; start its program instead", import.name);
    }
}

#[test]
fn pure_packages_link_nothing_that_reaches_the_world() {
    const WORLD: [&str; 12] = [
        "tokio",
        "mio",
        "reqwest",
        "hyper",
        "axum",
        "rumqttc",
        "mqtt5",
        "rusqlite",
        "object_store",
        "sysinfo",
        "rustls",
        "socket2",
    ];
    for pure in
        ["dunlin-protocol", "dunlin-learning", "dunlin-monitoring", "dunlin-rollout", "dunlin-dashboard"]
    {
        let linked = linked(pure);
        for library in WORLD {
            assert!(
                !linked.contains_key(library),
                "{pure} is pure, yet {:?} bring {library}",
                linked[library]
            );
        }
    }
}

#[test]
fn the_server_does_not_link_the_inference_engine() {
    for program in ["dunlin-server", "dunlin-cli"] {
        let tract: Vec<_> = linked(program).into_keys().filter(|name| name.starts_with("tract")).collect();
        assert!(tract.is_empty(), "{program} links {tract:?}; it runs `dunlin-agent probe` instead");
    }
    assert!(linked("dunlin-agent").contains_key("tract-onnx"), "this test looks for the wrong name");
}
