//! A row of named cells.

use std::sync::Arc;

/// A row of a table: texts by column name. Rows of one table share the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Line in the source, from 1, for messages.
    pub line: u64,
    columns: Arc<[String]>,
    cells: Vec<String>,
}

impl Row {
    /// A row with names shared by the table; cells beyond the names are dropped.
    pub fn of_table(line: u64, columns: Arc<[String]>, mut cells: Vec<String>) -> Self {
        cells.truncate(columns.len());
        Self { line, columns, cells }
    }

    /// A row that brings its own names.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        line: u64,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let (columns, cells): (Vec<String>, Vec<String>) =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).unzip();
        Self { line, columns: columns.into(), cells }
    }

    /// The cell under a column name.
    pub fn get(&self, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|name| name == column)?;
        self.cells.get(index).map(String::as_str)
    }

    /// The cell under a column name; `guess` is the index where an earlier row of the table had it.
    pub(crate) fn get_near(&self, column: &str, guess: &mut usize) -> Option<&str> {
        if self.columns.get(*guess).is_none_or(|name| name != column) {
            *guess = self.columns.iter().position(|name| name == column)?;
        }
        self.cells.get(*guess).map(String::as_str)
    }

    /// The column names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Names and cells.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().map(String::as_str).zip(self.cells.iter().map(String::as_str))
    }
}
