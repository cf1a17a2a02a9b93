//! Rows of JSON lines: one object a line, its members are the columns.

use std::io::{BufRead, Read};

use serde_json::Value;

use super::{Row, RowError};

/// Longest line in bytes.
const MAX_LINE: u64 = 1024 * 1024;

/// Rows of JSON lines, one at a time.
pub struct JsonRows<R> {
    source: R,
    line: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> JsonRows<R> {
    /// Rows of this source.
    pub fn new(source: R) -> Self {
        Self { source, line: 0, buffer: Vec::new() }
    }

    fn read_line(&mut self) -> Result<bool, RowError> {
        self.buffer.clear();
        self.line += 1;
        let unreadable = |reason: String| RowError::Unreadable { line: self.line, reason };
        let mut bounded = self.source.by_ref().take(MAX_LINE + 1);
        let read =
            bounded.read_until(b'\n', &mut self.buffer).map_err(|error| unreadable(error.to_string()))?;
        if read as u64 > MAX_LINE {
            return Err(unreadable(format!("longer than {MAX_LINE} bytes; write one object a line")));
        }
        Ok(read > 0)
    }
}

impl<R: BufRead> Iterator for JsonRows<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read_line() {
                Ok(false) => return None,
                Ok(true) if self.buffer.trim_ascii().is_empty() => {}
                Ok(true) => return Some(parse(self.line, &self.buffer)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn parse(line: u64, text: &[u8]) -> Result<Row, RowError> {
    let unreadable = |reason: String| RowError::Unreadable { line, reason };
    let value: Value =
        serde_json::from_slice(text).map_err(|error| unreadable(format!("not JSON ({error})")))?;
    let Value::Object(members) = value else {
        return Err(unreadable("not a JSON object; write {\"column\": value, …}".into()));
    };
    // What is not a single value (lists, objects) cannot be a cell; if the model needs that column, it is missing.
    let cells = members.into_iter().filter_map(|(name, value)| {
        Some((
            name,
            match value {
                Value::Null => String::new(),
                Value::Bool(flag) => flag.to_string(),
                Value::Number(number) => number.to_string(),
                Value::String(text) => text,
                Value::Array(_) | Value::Object(_) => return None,
            },
        ))
    });
    Ok(Row::from_pairs(line, cells))
}

/// Reads at most `limit` rows. A source without rows is an error.
pub fn read_json_lines(source: impl BufRead, limit: usize) -> Result<Vec<Row>, RowError> {
    let mut rows = Vec::new();
    for row in JsonRows::new(source) {
        if rows.len() == limit {
            return Err(RowError::TooMany { limit });
        }
        rows.push(row?);
    }
    if rows.is_empty() { Err(RowError::NoRows) } else { Ok(rows) }
}
