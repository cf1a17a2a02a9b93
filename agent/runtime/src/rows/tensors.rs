//! Fitting rows to a model's inputs.

use dunlin_protocol::cell;
use dunlin_protocol::spec::{FeatureSpec, InputSpec, ModelSpec};
use dunlin_protocol::tensor::{Datatype, Tensor, TensorData};

use super::{Row, RowError};
use crate::convert::{half, single};
use crate::spec::describe_shape;

/// Longest part of a cell that a message repeats.
const SHOWN: usize = 40;

/// One tensor per input, a row of it per row of the table. Columns that the model does not take are ignored;
/// what a cell says, and which ones are missing, is told by [`cell`]: NaN in a number column, the empty text in a
/// text column.
pub fn tensor_inputs(spec: &ModelSpec, rows: &[Row]) -> Result<Vec<Tensor>, RowError> {
    if rows.is_empty() {
        return Err(RowError::NoRows);
    }
    spec.inputs.iter().map(|input| fit(input, rows)).collect()
}

fn fit(input: &InputSpec, rows: &[Row]) -> Result<Tensor, RowError> {
    let width = input.features.len();
    let shape = match input.shape.len() {
        1 if width == 1 => vec![rows.len()],
        2 if width > 0 => vec![rows.len(), width],
        _ => {
            let (input, shape) = (input.name.clone(), describe_shape(&input.shape));
            return Err(RowError::NotATable { input, shape });
        }
    };
    let data = match input.datatype {
        Datatype::Fp32 => TensorData::Fp32(column(input, rows, SINGLE, |text, _| single(number(text)?))?),
        Datatype::Fp64 => TensorData::Fp64(column(input, rows, "a number", |text, _| number(text))?),
        Datatype::Int64 => TensorData::Int64(column(input, rows, WHOLE, |text, _| whole(text))?),
        Datatype::Int32 => TensorData::Int32(column(input, rows, WHOLE, |text, _| narrow(text))?),
        Datatype::Int8 => TensorData::Int8(column(input, rows, WHOLE, |text, _| narrow(text))?),
        Datatype::Uint8 => TensorData::Uint8(column(input, rows, WHOLE, |text, _| narrow(text))?),
        Datatype::Int16 => TensorData::Int16(column(input, rows, WHOLE, |text, _| narrow(text))?),
        Datatype::Uint16 => TensorData::Uint16(column(input, rows, WHOLE, |text, _| narrow(text))?),
        Datatype::Uint32 => TensorData::Uint32(column(input, rows, WHOLE, |text, _| narrow(text))?),
        Datatype::Uint64 => TensorData::Uint64(column(input, rows, WHOLE, |text, _| narrow(text))?),
        Datatype::Fp16 => TensorData::Fp16(column(input, rows, HALF, |text, _| half(number(text)?))?),
        Datatype::Bool => TensorData::Bool(column(input, rows, "true or false", |text, _| cell::flag(text))?),
        Datatype::Bytes => TensorData::Bytes(column(input, rows, "a text", |text, feature| {
            Some(cell::category(text, &feature.categories).to_owned())
        })?),
    };
    Ok(Tensor { name: input.name.clone(), shape, data })
}

const HALF: &str = "a number that half precision holds (up to 65504)";
const SINGLE: &str = "a number that single precision holds (up to 3.4e38)";
const WHOLE: &str = "a whole number that the model's type holds (it has no missing value)";

fn column<T>(
    input: &InputSpec,
    rows: &[Row],
    expected: &'static str,
    parse: impl Fn(&str, &FeatureSpec) -> Option<T>,
) -> Result<Vec<T>, RowError> {
    let mut values = Vec::with_capacity(rows.len().saturating_mul(input.features.len()));
    let mut places: Vec<usize> = (0..input.features.len()).collect();
    for row in rows {
        for (feature, place) in input.features.iter().zip(&mut places) {
            let name = &feature.name;
            let text = row.get_near(name, place).ok_or_else(|| missing(row, name))?;
            values.push(parse(text, feature).ok_or_else(|| RowError::Value {
                line: row.line,
                column: name.clone(),
                value: text.chars().take(SHOWN).collect(),
                expected,
            })?);
        }
    }
    Ok(values)
}

fn missing(row: &Row, column: &str) -> RowError {
    const NAMES: usize = 12;
    let columns = row.columns();
    let mut found = columns.iter().take(NAMES).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    if columns.len() > NAMES {
        found.push_str(&format!(" and {} more", columns.len() - NAMES));
    }
    RowError::MissingColumn { line: row.line, column: column.to_owned(), found }
}

fn number(text: &str) -> Option<f64> {
    cell::number(text).or_else(|| cell::flag(text).map(|flag| f64::from(u8::from(flag))))
}

fn whole(text: &str) -> Option<i64> {
    if let Ok(number) = text.trim().parse() {
        return Some(number);
    }
    // Tables written by float columns say 3.0.
    let number = number(text)?;
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}

fn narrow<T: TryFrom<i64>>(text: &str) -> Option<T> {
    T::try_from(whole(text)?).ok()
}
