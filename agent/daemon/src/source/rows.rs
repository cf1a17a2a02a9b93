//! Opening a source and drawing rows from it.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use anyhow::Context as _;
use dunlin_runtime::rows::{CsvRows, JsonRows, Row, RowError};

use super::{Config, Format, Kind};

type Drawn = Result<Row, RowError>;

/// Rows of a source, within its range and from the beginning again if so configured.
pub struct Rows {
    config: Config,
    inner: Box<dyn Iterator<Item = Drawn> + Send>,
    drawn: u64,
    /// Rows that the present pass over the file gave.
    this_pass: u64,
}

impl Rows {
    /// Opens the source; `None` where none is configured.
    pub fn open(config: &Config) -> anyhow::Result<Option<Self>> {
        let inner = match config.kind {
            Kind::None => return Ok(None),
            Kind::Replay => replay(config)?,
            Kind::Stdin => {
                let json = config.format == Format::Json;
                Box::new(std::iter::once_with(move || parse(std::io::stdin(), json)).flat_map(flatten))
            }
        };
        Ok(Some(Self { config: config.clone(), inner, drawn: 0, this_pass: 0 }))
    }

    /// Rows drawn since the start, bad ones included.
    pub fn drawn(&self) -> u64 {
        self.drawn
    }
}

impl Iterator for Rows {
    type Item = Drawn;

    fn next(&mut self) -> Option<Drawn> {
        loop {
            if let Some(row) = self.inner.next() {
                self.drawn += 1;
                self.this_pass += 1;
                return Some(row);
            }
            // A file without rows would be opened for ever.
            if !self.config.repeat || self.config.kind != Kind::Replay || self.this_pass == 0 {
                return None;
            }
            self.this_pass = 0;
            match replay(&self.config) {
                Ok(again) => self.inner = again,
                Err(error) => {
                    tracing::warn!(error = %format!("{error:#}"), "the source cannot be opened again");
                    return None;
                }
            }
        }
    }
}

fn replay(config: &Config) -> anyhow::Result<Box<dyn Iterator<Item = Drawn> + Send>> {
    let path = config.path.as_deref().unwrap_or(Path::new(""));
    let file = File::open(path)
        .with_context(|| format!("source {} cannot be opened; check source.path", path.display()))?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let json = match config.format {
        Format::Auto => matches!(ending, "json" | "jsonl" | "ndjson"),
        Format::Csv => false,
        Format::Json => true,
    };
    let rows = parse(file, json).with_context(|| format!("source {} cannot be read", path.display()))?;
    let from = usize::try_from(config.from_row).unwrap_or(usize::MAX);
    let count = match config.to_row {
        0 => usize::MAX,
        to => usize::try_from(to - config.from_row).unwrap_or(usize::MAX),
    };
    Ok(Box::new(rows.skip(from).take(count)))
}

fn parse(
    input: impl Read + Send + 'static,
    json: bool,
) -> Result<Box<dyn Iterator<Item = Drawn> + Send>, RowError> {
    if json { Ok(Box::new(JsonRows::new(BufReader::new(input)))) } else { Ok(Box::new(CsvRows::new(input)?)) }
}

/// A source that cannot be parsed at all is one bad row.
fn flatten(
    rows: Result<Box<dyn Iterator<Item = Drawn> + Send>, RowError>,
) -> Box<dyn Iterator<Item = Drawn> + Send> {
    rows.unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> (tempfile::TempDir, Config) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, text).unwrap();
        (folder, Config { kind: Kind::Replay, path: Some(path), ..Config::default() })
    }

    #[test]
    fn a_range_is_repeated_for_ever() {
        let (_folder, mut config) = config("a\n0\n1\n2\n3\n");
        (config.from_row, config.to_row, config.repeat) = (1, 3, true);
        let rows = Rows::open(&config).unwrap().unwrap();
        let cells: Vec<String> = rows.take(5).map(|row| row.unwrap().get("a").unwrap().to_owned()).collect();
        assert_eq!(cells, ["1", "2", "1", "2", "1"]);
    }

    #[test]
    fn a_file_with_a_header_only_ends_at_once() {
        let (_folder, mut config) = config("a,b\n");
        config.repeat = true;
        assert_eq!(Rows::open(&config).unwrap().unwrap().count(), 0);
    }

    #[test]
    fn a_missing_file_is_named_at_start() {
        let (folder, mut config) = config("");
        config.path = Some(folder.path().join("gone.csv"));
        let error = format!("{:#}", Rows::open(&config).err().unwrap());
        assert!(error.contains("gone.csv") && error.contains("source.path"), "{error}");
    }
}
