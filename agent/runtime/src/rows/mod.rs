//! Table rows to tensors: what replayed files, standard input and hold-out sets are made of.
//!
//! [`row`] is a row of named cells; [`csv`] (with `blank` before it) and [`json`] read them, one at a time; [`tensors`] fits rows to a
//! model's inputs, [`run`] has it answer them. Whole files are bounded by the caller's limit; nothing is guessed: a text in a number column
//! is an error that names column, row and value.

mod blank;
pub mod csv;
pub mod error;
pub mod json;
pub mod row;
pub mod run;
pub mod tensors;

pub use csv::{CsvRows, read_csv};
pub use error::RowError;
pub use json::{JsonRows, read_json_lines};
pub use row::Row;
pub use run::{RowsError, run_rows};
pub use tensors::tensor_inputs;
