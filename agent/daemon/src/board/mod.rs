//! The board itself: processor, memory, disk, temperature, and the modes it runs in.
//!
//! Does not judge what it sees. Modules: [`report`] reads, the one place that names the system library;
//! [`throttle`], [`limits`] and [`mounts`] read what that library does not know, below a root that tests prepare.

pub mod limits;
pub mod mounts;
pub mod report;
pub mod throttle;

use serde::{Deserialize, Serialize};

pub use report::{Board, host_name};

/// Configuration of the board's report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Further modes to report, for people: for example `bench` or `battery`.
    pub modes: Vec<String>,
}

#[cfg(test)]
pub(crate) mod tests {
    //! Boards made of files.

    /// A root with these files.
    pub(crate) fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }
}
