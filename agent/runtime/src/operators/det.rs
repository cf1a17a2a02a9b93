//! `Det` (ONNX 11): the determinants of square matrices, by elimination with the largest pivot of each column.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};
use super::values::{doubles, of_doubles};

#[derive(Debug)]
struct Det;

pub(super) fn build(_: &ParsingContext, _: &NodeProto) -> Built {
    built(Det)
}

impl Kernel for Det {
    fn name(&self) -> &'static str {
        "Det"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (kind, shape) = &inputs[0];
        let [outer @ .., rows, columns] = &shape[..] else { bail!("no matrices") };
        ensure!(rows == columns, "matrices of {rows} rows and {columns} columns");
        Ok(tvec![(*kind, outer.into())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let [outer @ .., size, _] = inputs[0].shape() else { bail!("no matrices") };
        let mut numbers = doubles(inputs[0])?;
        let count = outer.iter().product();
        let found =
            (0..count).map(|n| determinant(&mut numbers[n * size * size..(n + 1) * size * size], *size));
        Ok(tvec![of_doubles(inputs[0].datum_type(), outer, found.collect())?])
    }
}

fn determinant(matrix: &mut [f64], size: usize) -> f64 {
    let mut product = 1.0;
    for column in 0..size {
        let larger = |a: &usize, b: &usize| {
            matrix[a * size + column].abs().total_cmp(&matrix[b * size + column].abs())
        };
        let pivot = (column..size).max_by(larger).unwrap_or(column);
        if pivot != column {
            (0..size).for_each(|place| matrix.swap(pivot * size + place, column * size + place));
            product = -product;
        }
        let value = matrix[column * size + column];
        product *= value;
        if value == 0.0 {
            return 0.0;
        }
        for row in column + 1..size {
            let factor = matrix[row * size + column] / value;
            (column..size)
                .for_each(|place| matrix[row * size + place] -= factor * matrix[column * size + place]);
        }
    }
    product
}
