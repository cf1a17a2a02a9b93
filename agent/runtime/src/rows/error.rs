//! Why rows could not be read or fitted to a model.

/// Rows that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The source could not be read.
    #[error("line {line}: {reason}")]
    Unreadable {
        /// Line in the source, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A table without a first line.
    #[error("the file is empty; the first line names the columns, each further line is a row")]
    Empty,
    /// A table with nothing but names.
    #[error(
        "there is a header and no row after it ({columns} columns: {names}); add rows, or check that the export finished"
    )]
    HeaderOnly {
        /// Number of columns.
        columns: usize,
        /// The first names.
        names: String,
    },
    /// More rows than the caller takes.
    #[error("there are more than {limit} rows; split the file")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A row has not the column that the model takes.
    #[error("line {line}: column `{column}` is missing; there are {found}")]
    MissingColumn {
        /// Line in the source, from 1.
        line: u64,
        /// The column that the model takes.
        column: String,
        /// The columns that are there.
        found: String,
    },
    /// A cell that is not of the column's type.
    #[error(
        "line {line}, column `{column}`: `{value}` is not {expected}; correct the cell, or leave it empty if it is missing"
    )]
    Value {
        /// Line in the source, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The cell, cut if long.
        value: String,
        /// What the model takes.
        expected: &'static str,
    },
    /// The model takes something that a table does not hold.
    #[error(
        "input `{input}` takes {shape}, which is not one column per feature; send it as tensors (Open Inference Protocol)"
    )]
    NotATable {
        /// Name of the input.
        input: String,
        /// Its shape.
        shape: String,
    },
    /// No rows at all were given.
    #[error("there are no rows; give at least one")]
    NoRows,
}
