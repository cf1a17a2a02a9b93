//! Documents that stay true: the map names every room, and commands in documents exist.

use std::{collections::BTreeSet, path::Path, process::Command};

use crate::tree::{text, written};

#[test]
fn the_map_names_every_room() {
    let map = text("ARCHITECTURE.md").expect("ARCHITECTURE.md is there");
    let mut rooms: BTreeSet<String> = BTreeSet::new();
    for path in written("") {
        let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
        match parts.as_slice() {
            // A package: `agent/daemon`.
            [house, package, "Cargo.toml"] => {
                rooms.insert(format!("{house}/{package}"));
            }
            // A room of one of the two programs that join everything.
            ["agent", "daemon", "src", room, "mod.rs"]
            | ["fleet-server", "server", "src", room, "mod.rs"] => {
                rooms.insert((*room).to_owned());
            }
            // A folder at the top.
            [folder, _, ..] if !folder.starts_with('.') => {
                rooms.insert(format!("{folder}/"));
            }
            _ => {}
        }
    }
    assert!(rooms.len() > 20, "{rooms:?}");
    let missing: Vec<_> = rooms.iter().filter(|room| !map.contains(&format!("`{room}`"))).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name {missing:?}");
}

/// Lines of the shell blocks of every document, with the document's path.
fn commands() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in written("").into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "md")) {
        let mut inside = false;
        for line in text(&path).unwrap_or_default().lines() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                inside = !inside && matches!(language.trim(), "sh" | "bash" | "shell");
            } else if inside {
                let line = line.split(" #").next().unwrap_or_default().trim().trim_start_matches("$ ");
                found.push((path.display().to_string(), line.to_owned()));
            }
        }
    }
    found
}

#[test]
fn make_targets_in_documents_exist() {
    let makefile = text("Makefile").expect("Makefile is there");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| line.contains("## "))
        .filter_map(|line| line.split_once(':').map(|(target, _)| target))
        .collect();
    let mut checked = 0;
    for (document, line) in commands() {
        let mut words = line.split_whitespace();
        if words.next() != Some("make") {
            continue;
        }
        for target in words.filter(|word| !word.contains('=') && !word.starts_with('-')) {
            assert!(targets.contains(target), "{document} says `{line}`; there is no target {target}");
            checked += 1;
        }
    }
    assert!(checked >= 2, "the documents name no make target: this test looks in the wrong place");
}

#[test]
fn commands_in_documents_exist() {
    let mut checked = 0;
    for (document, line) in commands() {
        let line = line.trim_start_matches("sudo ");
        let mut words = line.split_whitespace();
        let Some(program) = words.next().and_then(|word| Path::new(word).file_name()?.to_str()) else {
            continue;
        };
        if !["dunlin", "dunlin-server", "dunlin-agent", "dunlin-sim"].contains(&program) {
            continue;
        }
        let path =
            dunlin_tests::program(program).unwrap_or_else(|error| panic!("{document}: `{line}`: {error}"));
        // Subcommands are the words before the first option, value or placeholder.
        let plain =
            |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
        let subcommands: Vec<&str> = words.clone().take_while(plain).take(2).collect();
        let help = (0..=subcommands.len().min(2)).rev().find_map(|depth| {
            let output = Command::new(&path).args(&subcommands[..depth]).arg("--help").output().ok()?;
            // A deeper word may be a value (`login-links prod`); the first must be a subcommand.
            let enough = output.status.success() && (depth > 0 || subcommands.is_empty());
            enough.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        });
        let help =
            help.unwrap_or_else(|| panic!("{document} says `{line}`; {program} does not know that command"));
        for option in words.filter(|word| word.starts_with("--")).filter_map(|word| word.split('=').next()) {
            assert!(help.contains(option), "{document} says `{line}`; the command has no {option}:\n{help}");
        }
        checked += 1;
    }
    assert!(checked >= 3, "the documents name no command: this test looks in the wrong place");
}
