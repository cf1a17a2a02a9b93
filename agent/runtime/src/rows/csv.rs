//! Rows of a CSV table: the first line names the columns.

use std::{collections::HashSet, io::Read, sync::Arc};

use super::{Row, RowError, blank::BlankLines};

/// Most columns of a table.
const MAX_COLUMNS: usize = 10_000;

/// Rows of a CSV table, one at a time. A blank line is a row where there is one column, and nothing otherwise.
pub struct CsvRows<R> {
    reader: csv::Reader<BlankLines<R>>,
    columns: Arc<[String]>,
    record: csv::StringRecord,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header.
    pub fn new(source: R) -> Result<Self, RowError> {
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(BlankLines::new(source));
        let header = reader.headers().map_err(|error| unreadable(&error))?;
        if header.is_empty() || header.iter().all(str::is_empty) {
            return Err(RowError::Empty);
        }
        if header.len() > MAX_COLUMNS {
            let reason = format!("{} columns, at most {MAX_COLUMNS} are read", header.len());
            return Err(RowError::Unreadable { line: 1, reason });
        }
        // Spreadsheets put a byte order mark before the first name.
        let columns: Arc<[String]> =
            header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        let mut seen = HashSet::new();
        if let Some(name) = columns.iter().find(|name| !name.is_empty() && !seen.insert(name.as_str())) {
            let reason = format!("column `{name}` stands twice in the header; rename or remove one of them");
            return Err(RowError::Unreadable { line: 1, reason });
        }
        Ok(Self { reader, columns, record: csv::StringRecord::new() })
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.reader.read_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.record.position().map_or(0, csv::Position::line);
                let cells = self.record.iter().map(str::to_owned).collect();
                Some(Ok(Row::of_table(line, self.columns.clone(), cells)))
            }
            Err(error) => Some(Err(unreadable(&error))),
        }
    }
}

fn unreadable(error: &csv::Error) -> RowError {
    let line = error.position().map_or(1, csv::Position::line);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} cells where the header has {expected_len}; quote cells that contain commas")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8; save the file as UTF-8".to_owned(),
        _ => error.to_string(),
    };
    RowError::Unreadable { line, reason }
}

/// Reads a whole table of at most `limit` rows. A table without rows is an error.
pub fn read_csv(source: impl Read, limit: usize) -> Result<Vec<Row>, RowError> {
    let mut table = CsvRows::new(source)?;
    let mut rows = Vec::new();
    for row in table.by_ref() {
        if rows.len() == limit {
            return Err(RowError::TooMany { limit });
        }
        rows.push(row?);
    }
    if rows.is_empty() {
        let names = table.columns.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(RowError::HeaderOnly { columns: table.columns.len(), names });
    }
    Ok(rows)
}
