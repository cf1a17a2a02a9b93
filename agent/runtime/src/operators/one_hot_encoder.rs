//! `OneHotEncoder`: a new last dimension with one place per category.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::Labels;
use super::kernel::{Built, Kernel, Signature, built};

#[derive(Debug)]
struct OneHotEncoder {
    categories: Labels,
    /// Whether an unknown value is all zeros; otherwise it is an error.
    zeros: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let categories = Labels::read(node, "cats_int64s", "cats_strings")?;
    built(OneHotEncoder { categories, zeros: node.get_attr_opt::<i64>("zeros")?.unwrap_or(1) != 0 })
}

impl Kernel for OneHotEncoder {
    fn name(&self) -> &'static str {
        "OneHotEncoder"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let texts = inputs[0].0 == String::datum_type();
        ensure!(
            texts == matches!(self.categories, Labels::Strings(_)),
            "the input is {:?}, the categories are {:?}",
            inputs[0].0,
            self.categories.datum_type()
        );
        let mut shape = inputs[0].1.clone();
        shape.push(self.categories.len().to_dim());
        Ok(tvec!((f32::datum_type(), shape)))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        // Of equal categories the last counts, as in ONNX Runtime.
        let places: Vec<Option<usize>> = match &self.categories {
            Labels::Strings(categories) => {
                let texts = inputs[0].try_as_plain_ram()?;
                texts.as_slice::<String>()?.iter().map(|t| categories.iter().rposition(|c| c == t)).collect()
            }
            Labels::Ints(categories) if inputs[0].datum_type().is_float() => {
                // Floats are cut to integers, as in ONNX Runtime; NaN is no category.
                let numbers = inputs[0].cast_to::<f64>()?;
                let numbers = numbers.try_as_plain_ram()?;
                let place = |x: &f64| categories.iter().rposition(|c| !x.is_nan() && *c == *x as i64);
                numbers.as_slice::<f64>()?.iter().map(place).collect()
            }
            Labels::Ints(categories) => {
                let numbers = inputs[0].cast_to::<i64>()?;
                let numbers = numbers.try_as_plain_ram()?;
                numbers.as_slice::<i64>()?.iter().map(|x| categories.iter().rposition(|c| c == x)).collect()
            }
        };
        let width = self.categories.len();
        let mut encoded = vec![0.0_f32; places.len() * width];
        for (row, place) in encoded.chunks_mut(width).zip(&places) {
            match place {
                Some(index) => row[*index] = 1.0,
                None => ensure!(self.zeros, "a value is none of the {width} known categories"),
            }
        }
        let mut shape = inputs[0].shape().to_vec();
        shape.push(width);
        Ok(tvec!(crate::convert::tensor(&shape, encoded)?))
    }
}
