//! The packages and what they depend on, as `cargo metadata` tells it for 64-bit Linux.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

/// A package and its direct dependencies.
#[derive(Debug, Default)]
pub struct Package {
    /// Package name.
    pub name: String,
    /// True for packages of this repository.
    pub ours: bool,
    /// Ids of the packages that are linked into it.
    pub imports: BTreeSet<String>,
    /// Ids of the packages that only its tests use.
    pub tests_import: BTreeSet<String>,
}

/// Every package by its id.
pub static PACKAGES: LazyLock<BTreeMap<String, Package>> = LazyLock::new(read);

/// The package of this repository with this name.
pub fn ours(name: &str) -> &'static Package {
    let found = PACKAGES.values().find(|package| package.ours && package.name == name);
    found.unwrap_or_else(|| panic!("there is no package {name} in this workspace"))
}

/// Everything that is linked into the package of this name, with the packages that ask for it.
pub fn linked(name: &str) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut rest = vec![ours(name)];
    while let Some(package) = rest.pop() {
        for id in &package.imports {
            let import = &PACKAGES[id];
            found.entry(&import.name).or_default().insert(&package.name);
            if seen.insert(id) {
                rest.push(import);
            }
        }
    }
    found
}

fn read() -> BTreeMap<String, Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(dunlin_tests::root())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");

    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap().to_owned();
        let id = package["id"].as_str().unwrap().to_owned();
        packages.insert(id, Package { name, ours: package["source"].is_null(), ..Package::default() });
    }
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let package = packages.get_mut(node["id"].as_str().unwrap()).unwrap();
        for dependency in node["deps"].as_array().unwrap() {
            let id = dependency["pkg"].as_str().unwrap().to_owned();
            for kind in dependency["dep_kinds"].as_array().unwrap() {
                match kind["kind"].as_str() {
                    // What only runs at build time is not in the program.
                    Some("build") => {}
                    Some("dev") => drop(package.tests_import.insert(id.clone())),
                    _ => drop(package.imports.insert(id.clone())),
                }
            }
        }
    }
    packages
}
