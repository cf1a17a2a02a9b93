//! What can be wrong with a table.

/// Why rows are not a dataset. Lines count from 1, the header being line 1.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Nothing at all, or no row below the header.
    #[error(
        "the table has no rows, at most a header; give at least one row of values below the column names"
    )]
    NoRows,
    /// A column without a name.
    #[error("column {index} has no name in the header (line 1); name every column")]
    EmptyHeader {
        /// Position of the column, from 1.
        index: usize,
    },
    /// Two columns of one name.
    #[error("column name {name:?} stands twice in the header, at {first} and {second}; rename one of them")]
    DuplicateHeader {
        /// The name.
        name: String,
        /// Position of the first, from 1.
        first: usize,
        /// Position of the second, from 1.
        second: usize,
    },
    /// A row with more or fewer cells than the header.
    #[error(
        "line {line} has {found} cells, the header has {expected}; complete the row or quote cells that hold a comma"
    )]
    RaggedRow {
        /// Line of the row.
        line: u64,
        /// Cells found.
        found: u64,
        /// Cells in the header.
        expected: u64,
    },
    /// A text among numbers.
    #[error(
        "column {column:?}, line {line}: {value:?} is not a number; correct the cell, or leave it empty if the value is missing"
    )]
    NotANumber {
        /// The column's name.
        column: String,
        /// Line of the cell.
        line: u64,
        /// The cell, cut to a printable length.
        value: String,
    },
    /// A column that the schema asks for is not there.
    #[error("column {name:?} is missing; the table has {available}; add it or correct the name")]
    MissingColumn {
        /// The name.
        name: String,
        /// The names that are there.
        available: String,
    },
    /// A column of another length.
    #[error(
        "column {name:?} has {found} cells, the first column has {expected}; give all columns the same length"
    )]
    Length {
        /// The column's name.
        name: String,
        /// Cells found.
        found: usize,
        /// Cells expected.
        expected: usize,
    },
    /// More than is read.
    #[error("the table has more than {limit} {what}; split it or raise the limit of the data room")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How much of it is allowed.
        limit: u64,
    },
    /// Not UTF-8.
    #[error("line {line} is not UTF-8 text; save the table as UTF-8")]
    NotText {
        /// Line of the row.
        line: u64,
    },
    /// The reader failed.
    #[error("the table cannot be read; try again or check the source")]
    Read(#[source] std::io::Error),
    /// Anything else that is not CSV.
    #[error("the table is not CSV: {0}; save it as comma-separated values with a header")]
    NotCsv(String),
}

/// A cell short enough to show.
pub(super) fn shown(value: &str) -> String {
    value.chars().take(60).collect()
}
