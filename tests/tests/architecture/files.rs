//! Files that fit in the head, and words that do not belong in a repository.

use crate::tree::{is_rust, text, written};

/// Past this a file is two subjects.
const MAX_LINES: usize = 450;

#[test]
fn no_source_file_is_longer_than_450_lines() {
    let long: Vec<String> = written("")
        .iter()
        .filter(|path| is_rust(path))
        .filter_map(|path| {
            let lines = text(path)?.lines().count();
            (lines > MAX_LINES).then(|| format!("{} has {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "split by subject: {long:#?}");
}

#[test]
fn no_file_speaks_of_one_persons_machine() {
    // Spelled in halves, so that this file does not find itself.
    let paths = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];
    let mut found = Vec::new();
    for path in
        written("").iter().filter(|path| path.extension().is_none_or(|kind| kind != "csv" && kind != "onnx"))
    {
        let Some(text) = text(path) else { continue };
        for (line, content) in text.lines().enumerate() {
            if paths.iter().any(|word| content.contains(word)) {
                found.push(format!("{}:{}: {}", path.display(), line + 1, content.trim()));
            }
        }
    }
    assert!(found.is_empty(), "absolute paths of one machine: {found:#?}");
}

#[test]
fn no_source_file_postpones() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("to", "do!(")];
    let mut found = Vec::new();
    for path in written("").iter().filter(|path| is_rust(path)) {
        for (line, content) in text(path).unwrap_or_default().lines().enumerate() {
            if words.iter().any(|word| content.contains(word)) {
                found.push(format!("{}:{}: {}", path.display(), line + 1, content.trim()));
            }
        }
    }
    assert!(found.is_empty(), "do it, or write an issue: {found:#?}");
}
