//! Reading CSV from bytes that nobody vouches for.

use std::{collections::BTreeMap, io::Read};

use dunlin_protocol::cell;

use super::{Column, DataError, Dataset, Kind, Values, error::shown};

/// Most that is read of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Rows below the header.
    pub rows: u64,
    /// Columns.
    pub columns: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 << 20, rows: 5_000_000, columns: 512 }
    }
}

/// From this share of numbers on, a column is meant to be one of numbers and a text in it is an error.
const MEANT_AS_NUMBERS: f64 = 0.95;

/// Below this many cells nothing is guessed from shares.
const ENOUGH_CELLS: usize = 20;

impl Dataset {
    /// Reads CSV with a header. A column whose cells are all numbers or missing is a number column, any other a
    /// text column.
    ///
    /// # Errors
    /// Beyond the limits, without rows, with a doubled header, a ragged row, or a few texts among numbers.
    pub fn read_csv(reader: impl Read, limits: &Limits) -> Result<Self, DataError> {
        Self::read_csv_as(reader, limits, &BTreeMap::new())
    }

    /// Reads CSV with a header, where `schema` says what some columns hold.
    ///
    /// # Errors
    /// As [`Dataset::read_csv`]; also when a column of the schema is missing or a number column holds a text.
    pub fn read_csv_as(
        reader: impl Read,
        limits: &Limits,
        schema: &BTreeMap<String, Kind>,
    ) -> Result<Self, DataError> {
        // One byte more than allowed, so that a table of exactly the limit is told from a longer one.
        let mut bounded = reader.take(limits.bytes.saturating_add(1));
        let table = read_cells(&mut bounded, limits);
        if bounded.limit() == 0 {
            return Err(DataError::TooLarge { what: "bytes", limit: limits.bytes });
        }
        let Cells { names, columns, lines } = table?;
        if let Some(name) = schema.keys().find(|name| !names.contains(name)) {
            return Err(DataError::MissingColumn { name: name.clone(), available: names.join(", ") });
        }
        let columns = names
            .into_iter()
            .zip(columns)
            .map(|(name, cells)| {
                let values = typed(&name, cells, schema.get(&name).copied(), &lines)?;
                Ok(Column { name, values })
            })
            .collect::<Result<Vec<_>, DataError>>()?;
        Self::from_columns(columns)
    }
}

struct Cells {
    names: Vec<String>,
    columns: Vec<Vec<String>>,
    lines: Vec<u64>,
}

fn read_cells(reader: impl Read, limits: &Limits) -> Result<Cells, DataError> {
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(reader);
    let header = csv.headers().map_err(convert)?;
    // A byte-order mark is not part of the first name.
    let names: Vec<String> =
        header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    if names.len() as u64 > limits.columns {
        return Err(DataError::TooLarge { what: "columns", limit: limits.columns });
    }
    if names.is_empty() {
        return Err(DataError::NoRows);
    }
    if let Some(index) = names.iter().position(String::is_empty) {
        return Err(DataError::EmptyHeader { index: index + 1 });
    }
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names.iter().take(index).position(|other| other == name) {
            let name = name.clone();
            return Err(DataError::DuplicateHeader { name, first: first + 1, second: index + 1 });
        }
    }
    let mut columns: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    let mut lines = Vec::new();
    let mut record = csv::StringRecord::new();
    while csv.read_record(&mut record).map_err(convert)? {
        if lines.len() as u64 == limits.rows {
            return Err(DataError::TooLarge { what: "rows", limit: limits.rows });
        }
        lines.push(record.position().map_or(0, csv::Position::line));
        for (column, cell) in columns.iter_mut().zip(&record) {
            column.push(cell.to_owned());
        }
    }
    if lines.is_empty() {
        return Err(DataError::NoRows);
    }
    Ok(Cells { names, columns, lines })
}

fn convert(error: csv::Error) -> DataError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => DataError::Read(error),
        csv::ErrorKind::Utf8 { pos, .. } => DataError::NotText { line: pos.map_or(0, |p| p.line()) },
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            DataError::RaggedRow { line: pos.map_or(0, |p| p.line()), found: len, expected: expected_len }
        }
        other => DataError::NotCsv(format!("{other:?}")),
    }
}

/// A finite number, or NaN where it is missing.
fn number(text: &str) -> Option<f64> {
    // Devices hold numbers in single precision: what is infinite there is no number here.
    cell::number(text).filter(|value| (*value as f32).is_finite() || cell::is_missing_number(text))
}

fn typed(name: &str, cells: Vec<String>, kind: Option<Kind>, lines: &[u64]) -> Result<Values, DataError> {
    if kind == Some(Kind::Text) {
        return Ok(Values::Texts(cells));
    }
    let parsed: Vec<Option<f64>> = cells.iter().map(|cell| number(cell)).collect();
    let Some(first) = parsed.iter().position(Option::is_none) else {
        return Ok(Values::Numbers(parsed.into_iter().flatten().collect()));
    };
    let numbers = parsed.iter().flatten().filter(|value| !value.is_nan()).count();
    let texts = parsed.iter().filter(|value| value.is_none()).count();
    let meant =
        numbers + texts >= ENOUGH_CELLS && numbers as f64 >= MEANT_AS_NUMBERS * (numbers + texts) as f64;
    if kind == Some(Kind::Number) || meant {
        return Err(DataError::NotANumber {
            column: name.to_owned(),
            line: lines.get(first).copied().unwrap_or(0),
            value: cells.get(first).map(|cell| shown(cell)).unwrap_or_default(),
        });
    }
    Ok(Values::Texts(cells))
}
