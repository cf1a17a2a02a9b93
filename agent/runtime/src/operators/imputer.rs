//! `Imputer`: missing values are replaced, per column or by one value.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes;
use super::kernel::{Built, Kernel, Signature, built, matrix, numeric, with_floats};

#[derive(Debug)]
struct Imputer {
    imputed: Vec<f32>,
    /// NaN, or the number that stands for missing.
    replaced: f32,
    integers: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let mut imputed = attributes::floats(node, "imputed_value_floats")?;
    let mut replaced = node.get_attr_opt::<f32>("replaced_value_float")?.unwrap_or(0.0);
    let integers = attributes::ints(node, "imputed_value_int64s")?;
    let of_integers = !integers.is_empty();
    if of_integers {
        ensure!(imputed.is_empty(), "imputed values are given both as integers and as floats");
        imputed = integers.iter().map(|value| *value as f32).collect();
        replaced = node.get_attr_opt::<i64>("replaced_value_int64")?.unwrap_or(0) as f32;
    }
    ensure!(!imputed.is_empty(), "no imputed values");
    built(Imputer { imputed, replaced, integers: of_integers })
}

impl Kernel for Imputer {
    fn name(&self) -> &'static str {
        "Imputer"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        numeric(self.name(), inputs[0].0)?;
        let datum_type = if self.integers { i64::datum_type() } else { f32::datum_type() };
        Ok(tvec!((datum_type, inputs[0].1.clone())))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (_, columns) = matrix(inputs[0].shape());
        ensure!(
            self.imputed.len() == 1 || self.imputed.len() == columns,
            "{} imputed values for {columns} columns",
            self.imputed.len()
        );
        let filled: Vec<f32> = with_floats(inputs[0], |values| {
            let missing =
                |value: f32| if self.replaced.is_nan() { value.is_nan() } else { value == self.replaced };
            let imputed = self.imputed.iter().cycle();
            Ok(values
                .iter()
                .zip(imputed)
                .map(|(v, imputed)| if missing(*v) { *imputed } else { *v })
                .collect())
        })?;
        let shape = inputs[0].shape();
        Ok(tvec!(if self.integers {
            crate::convert::tensor(shape, filled.iter().map(|value| *value as i64).collect())?
        } else {
            crate::convert::tensor(shape, filled)?
        }))
    }
}
