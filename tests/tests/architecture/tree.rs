//! The repository's own text files.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that are made, not written.
const MADE: [&str; 7] = ["target", ".git", "node_modules", "demo", ".cache", "corpus", "artifacts"];

/// Every file below `folder` that a person wrote, as a path from the root.
pub fn written(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut rest = vec![dunlin_tests::root().join(folder)];
    while let Some(folder) = rest.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("the folder can be listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() {
                // `demo` is the folder that `make demo` fills, at the root; a module may have that name.
                let made = MADE.contains(&name.as_str())
                    && (name != "demo" || path == dunlin_tests::root().join("demo"));
                if !made {
                    rest.push(path);
                }
            } else if !name.ends_with('~') && name != ".git" {
                // In a second work tree `.git` is a file.
                found.push(path.strip_prefix(dunlin_tests::root()).expect("below the root").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The text of a file, or `None` for one that is not text.
pub fn text(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(dunlin_tests::root().join(path)).ok()
}

/// Ends as Rust files do.
pub fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}
