//! `Imputer`: missing values are replaced, per column or by one value.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes;
use super::kernel::{Built, Kernel, Signature, built, matrix};

#[derive(Debug)]
enum Imputer {
    Floats {
        imputed: Vec<f32>,
        /// NaN, or the number that stands for missing.
        replaced: f32,
    },
    Ints {
        imputed: Vec<i64>,
        replaced: i64,
    },
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let floats = attributes::floats(node, "imputed_value_floats")?;
    let ints = attributes::ints(node, "imputed_value_int64s")?;
    built(match (floats.is_empty(), ints.is_empty()) {
        (false, true) => Imputer::Floats {
            imputed: floats,
            replaced: node.get_attr_opt::<f32>("replaced_value_float")?.unwrap_or(0.0),
        },
        (true, false) => Imputer::Ints {
            imputed: ints,
            replaced: node.get_attr_opt::<i64>("replaced_value_int64")?.unwrap_or(0),
        },
        _ => bail!("exactly one of imputed_value_floats and imputed_value_int64s must be set"),
    })
}

/// The input with what is missing replaced, column by column.
fn fill<T: Datum + Copy>(input: &Tensor, imputed: &[T], missing: impl Fn(T) -> bool) -> TractResult<Tensor> {
    let (_, columns) = matrix(input.shape());
    ensure!(
        imputed.len() == 1 || imputed.len() == columns,
        "{} imputed values for {columns} columns",
        imputed.len()
    );
    let plain = input.try_as_plain_ram()?;
    let values = plain.as_slice::<T>()?.iter().zip(imputed.iter().cycle());
    let filled = values.map(|(value, imputed)| if missing(*value) { *imputed } else { *value }).collect();
    crate::convert::tensor(input.shape(), filled)
}

impl Kernel for Imputer {
    fn name(&self) -> &'static str {
        "Imputer"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (datum_type, _) = inputs[0];
        match self {
            Imputer::Floats { .. } => ensure!(
                datum_type == f32::datum_type() || datum_type == f64::datum_type(),
                "the imputed values are floats, the input is {datum_type:?}"
            ),
            Imputer::Ints { .. } => ensure!(
                datum_type == i64::datum_type(),
                "the imputed values are 64-bit integers, the input is {datum_type:?}"
            ),
        }
        Ok(tvec!(inputs[0].clone()))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        Ok(tvec!(match self {
            Imputer::Ints { imputed, replaced } => fill(inputs[0], imputed, |x| x == *replaced)?,
            Imputer::Floats { imputed, replaced } if inputs[0].datum_type() == f64::datum_type() => {
                let imputed: Vec<f64> = imputed.iter().map(|x| f64::from(*x)).collect();
                let replaced = f64::from(*replaced);
                fill(inputs[0], &imputed, |x| x == replaced || replaced.is_nan() && x.is_nan())?
            }
            Imputer::Floats { imputed, replaced } => {
                fill(inputs[0], imputed, |x| x == *replaced || replaced.is_nan() && x.is_nan())?
            }
        }))
    }
}
