//! `Unique` (ONNX 11): the elements, or the slices along an axis, that are unlike each other.

use std::collections::BTreeMap;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};
use super::values::{around, doubles, gathered, integers, resolve_axis};

/// Gives them, where each stands first, which of them each is, and how many there are of each.
#[derive(Debug)]
struct Unique {
    axis: Option<i64>,
    sorted: bool,
    outputs: usize,
    count: Symbol,
}

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    built(Unique {
        axis: node.get_attr_opt("axis")?,
        sorted: node.get_attr_opt::<i64>("sorted")?.unwrap_or(1) != 0,
        outputs: node.output.len(),
        count: context.template.symbols.new_with_prefix("unique"),
    })
}

/// The places of each group of equal slices, in ascending order of the slices.
fn groups<T: Ord>(elements: &[T], (outer, length, inner): (usize, usize, usize)) -> Vec<Vec<i64>> {
    let mut groups: BTreeMap<Vec<&T>, Vec<i64>> = BTreeMap::new();
    for place in 0..length {
        let at = |n: usize| &elements[(n / inner * length + place) * inner + n % inner];
        groups.entry((0..outer * inner).map(at).collect()).or_default().push(place as i64);
    }
    groups.into_values().collect()
}

/// Bits that are ordered as the numbers are. All that is no number is one and the last.
fn ordered(number: f64) -> i64 {
    let number = if number.is_nan() { f64::NAN.abs() } else { number + 0.0 };
    let bits = number.to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

impl Kernel for Unique {
    fn name(&self) -> &'static str {
        "Unique"
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (kind, mut shape) = inputs[0].clone();
        let count: TDim = self.count.clone().into();
        let length = match self.axis {
            Some(axis) => {
                let axis = resolve_axis(axis, shape.len())?;
                std::mem::replace(&mut shape[axis], count.clone())
            }
            None => std::mem::replace(&mut shape, tvec![count.clone()]).iter().product(),
        };
        let list = |length: &TDim| (i64::datum_type(), tvec![length.clone()]);
        let all = [(kind, shape), list(&count), list(&length), list(&count)];
        Ok(all.into_iter().take(self.outputs).collect())
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (input, kind) = (inputs[0], inputs[0].datum_type());
        let mut shape: TVec<usize> = input.shape().into();
        let axis = match self.axis {
            Some(axis) => resolve_axis(axis, shape.len())?,
            None => {
                shape = tvec![input.len()];
                0
            }
        };
        let (outer, length, inner) = around(&shape, axis);
        let mut groups = if kind == String::datum_type() {
            groups(input.try_as_plain_ram()?.as_slice::<String>()?, (outer, length, inner))
        } else if kind.is_float() {
            let numbers: Vec<i64> = doubles(input)?.into_iter().map(ordered).collect();
            groups(&numbers, (outer, length, inner))
        } else {
            let mut numbers = integers(input)?;
            if kind.is_unsigned() {
                // So that the largest of 64 bits, which are below zero here, stay the largest.
                numbers.iter_mut().for_each(|number| *number ^= i64::MIN);
            }
            groups(&numbers, (outer, length, inner))
        };
        if !self.sorted {
            groups.sort_by_key(|places| places.first().copied());
        }
        let first: Vec<i64> = groups.iter().filter_map(|places| places.first().copied()).collect();
        let mut which = vec![0; length];
        for (group, places) in groups.iter().enumerate() {
            places.iter().for_each(|place| which[*place as usize] = group as i64);
        }
        let counts = groups.iter().map(|places| places.len() as i64).collect();
        shape[axis] = first.len();
        let source = |n: usize| {
            let (outer, place) = (n / inner / first.len(), first[n / inner % first.len()] as usize);
            Some((outer * length + place) * inner + n % inner)
        };
        let mut outputs = tvec![gathered(input, &shape, &source)?];
        for list in [first.clone(), which, counts] {
            outputs.push(crate::convert::tensor(&[list.len()], list)?);
        }
        outputs.truncate(self.outputs);
        Ok(outputs)
    }
}
