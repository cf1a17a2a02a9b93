//! Where rows come from: a replayed file or standard input. (HTTP asks the local API in `serving`.)
//!
//! A bad row is an error of its own, counted and skipped by the pipeline; a source that is not there at all is an
//! error at start. Does not know models.
//! Modules: [`rows`] opens and draws; [`pace`] says how many are due; [`faults`] breaks sensors on purpose, for the
//! simulator.

pub mod faults;
pub mod pace;
pub mod rows;

use std::path::PathBuf;

use anyhow::bail;
use dunlin_protocol::ModelName;
use serde::{Deserialize, Serialize};

pub use rows::Rows;

/// What kind of source it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// None: rows come over the local API only.
    #[default]
    None,
    /// A file, replayed.
    Replay,
    /// Standard input.
    Stdin,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// By the file's ending: `.json`, `.jsonl` and `.ndjson` are JSON lines, all else is CSV.
    #[default]
    Auto,
    /// Comma-separated, the first line names the columns.
    Csv,
    /// One JSON object a line.
    Json,
}

/// Configuration of the source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What kind.
    pub kind: Kind,
    /// The file to replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// How rows are written.
    pub format: Format,
    /// Rows a second; 0 as fast as they can be answered.
    pub rows_per_second: f64,
    /// Begin again at the end of the file.
    pub repeat: bool,
    /// First row, from 0.
    pub from_row: u64,
    /// Row to stop before; 0 is the end of the file.
    pub to_row: u64,
    /// The model to run; without it every model that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kind: Kind::None,
            path: None,
            format: Format::Auto,
            rows_per_second: 1.0,
            repeat: false,
            from_row: 0,
            to_row: 0,
            model: None,
        }
    }
}

impl Config {
    /// What it is called in messages.
    pub fn name(&self) -> String {
        match &self.path {
            Some(path) if self.kind == Kind::Replay => format!("source {}", path.display()),
            _ => "standard input".to_owned(),
        }
    }

    /// Refuses what cannot work.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.kind == Kind::Replay && self.path.is_none() {
            bail!("source.kind = \"replay\" needs a file; set source.path");
        }
        if !(self.rows_per_second >= 0.0 && self.rows_per_second.is_finite()) {
            bail!("source.rows_per_second = {} is not a rate; give 0 or more", self.rows_per_second);
        }
        if self.to_row != 0 && self.to_row <= self.from_row {
            bail!("source.to_row = {} is not behind from_row = {}", self.to_row, self.from_row);
        }
        Ok(())
    }
}
