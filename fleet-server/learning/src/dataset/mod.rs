//! A table of named columns, numbers or texts, that fits in memory.
//!
//! What it does not do: it opens no files and keeps no versions; the caller hands in a reader and stores bytes.
//! In reading order: [`error`] says what can be wrong with a table, `read` parses CSV, `write` writes it back.

mod error;
mod read;
mod write;

pub use error::DataError;
pub use read::Limits;

use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Numbers; NaN is missing.
    Number,
    /// Texts; the empty text is missing.
    Text,
}

/// The cells of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Finite numbers, and NaN where the cell is missing.
    Numbers(Vec<f64>),
    /// Texts, empty where the cell is missing.
    Texts(Vec<String>),
}

impl Values {
    /// Number of cells.
    pub fn len(&self) -> usize {
        match self {
            Values::Numbers(values) => values.len(),
            Values::Texts(values) => values.len(),
        }
    }

    /// True without cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True when the cell is missing or outside the column.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Values::Numbers(values) => values.get(row).is_none_or(|v| v.is_nan()),
            Values::Texts(values) => values.get(row).is_none_or(String::is_empty),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Values::Numbers(values) => Values::Numbers(
                rows.iter().map(|row| values.get(*row).copied().unwrap_or(f64::NAN)).collect(),
            ),
            Values::Texts(values) => {
                Values::Texts(rows.iter().map(|row| values.get(*row).cloned().unwrap_or_default()).collect())
            }
        }
    }
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its header.
    pub name: String,
    /// Its cells.
    pub values: Values,
}

impl Column {
    /// What it holds.
    pub fn kind(&self) -> Kind {
        match self.values {
            Values::Numbers(_) => Kind::Number,
            Values::Texts(_) => Kind::Text,
        }
    }
}

/// A table: columns of one length with different names.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    columns: Vec<Column>,
    rows: usize,
}

impl Dataset {
    /// A table of these columns.
    ///
    /// # Errors
    /// Without rows, with two columns of one name, or with columns of different lengths.
    pub fn from_columns(columns: Vec<Column>) -> Result<Self, DataError> {
        let rows = columns.first().map_or(0, |column| column.values.len());
        if rows == 0 {
            return Err(DataError::NoRows);
        }
        for (index, column) in columns.iter().enumerate() {
            if let Some(first) = columns.iter().take(index).position(|other| other.name == column.name) {
                let name = column.name.clone();
                return Err(DataError::DuplicateHeader { name, first: first + 1, second: index + 1 });
            }
            let found = column.values.len();
            if found != rows {
                return Err(DataError::Length { name: column.name.clone(), found, expected: rows });
            }
        }
        Ok(Self { columns, rows })
    }

    /// Number of rows, at least one.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns in file order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The rows of these indices, in this order; an index outside gives a row of missing cells.
    pub fn select(&self, rows: &[usize]) -> Self {
        let columns = self
            .columns
            .iter()
            .map(|column| Column { name: column.name.clone(), values: column.values.select(rows) })
            .collect();
        Self { columns, rows: rows.len() }
    }
}

#[cfg(test)]
mod tests;
