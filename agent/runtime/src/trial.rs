//! Running a model once on made-up input: what fails in every run is better told before the first one.

use dunlin_protocol::spec::{InputSpec, ModelSpec};
use dunlin_protocol::tensor::{Datatype, Tensor, TensorData};

use crate::{Model, RunError};

/// Most elements of a made-up input.
const MAX_ELEMENTS: usize = 1 << 24;

/// Lengths that free dimensions beside the first are given, one after the other: a convolution may need more than
/// a single step, and halve what it gets several times.
const LENGTHS: [usize; 4] = [1, 32, 224, 512];

/// How a run on made-up input ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// With an answer.
    Ran,
    /// There was none: an input of its size is not made up.
    TooLarge,
    /// With an error on zeros and on ones, though nothing else of the input is free.
    Failed {
        /// What the engine said.
        reason: String,
    },
    /// With an error, and other lengths of the free dimensions may do better.
    Unclear {
        /// What the engine said.
        reason: String,
    },
}

/// Runs the model on zeros, or on ones where zeros fail.
pub fn try_once(model: &Model) -> Trial {
    let mut first = None;
    for inputs in made_up(model.spec()) {
        match model.run(&inputs) {
            Ok(_) => return Trial::Ran,
            Err(RunError::Engine { reason }) => first = first.or(Some(reason)),
            Err(error) => first = first.or(Some(error.to_string())),
        }
    }
    match first {
        None => Trial::TooLarge,
        Some(reason) if is_free(model.spec()) || model.is_planned_late() => Trial::Unclear { reason },
        Some(reason) => Trial::Failed { reason },
    }
}

/// Whether more than the batch is free.
pub(crate) fn is_free(spec: &ModelSpec) -> bool {
    spec.inputs.iter().any(|input| input.shape.iter().skip(1).any(Option::is_none))
}

/// Inputs of zeros and of ones, and with several lengths where more than the first dimension is free.
pub(crate) fn made_up(spec: &ModelSpec) -> impl Iterator<Item = Vec<Tensor>> {
    let lengths = &LENGTHS[..if is_free(spec) { LENGTHS.len() } else { 1 }];
    let each = lengths.iter().flat_map(|length| [(*length, false), (*length, true)]);
    each.filter_map(|(length, one)| inputs(spec, length, one))
}

/// One row of zeros, and the first known category of text columns; `None` where that were too large.
pub fn zeros(spec: &ModelSpec) -> Option<Vec<Tensor>> {
    inputs(spec, 1, false)
}

fn inputs(spec: &ModelSpec, length: usize, one: bool) -> Option<Vec<Tensor>> {
    spec.inputs.iter().map(|input| tensor(input, length, one)).collect()
}

fn tensor(input: &InputSpec, length: usize, one: bool) -> Option<Tensor> {
    let free = |axis: usize| if axis == 0 { 1 } else { length };
    let shape: Vec<usize> =
        input.shape.iter().enumerate().map(|(axis, dim)| dim.unwrap_or_else(|| free(axis))).collect();
    let count = shape.iter().try_fold(1_usize, |product, dim| product.checked_mul(*dim))?;
    if count > MAX_ELEMENTS {
        return None;
    }
    let number = u8::from(one);
    let data = match input.datatype {
        Datatype::Bool => TensorData::Bool(vec![one; count]),
        Datatype::Uint8 => TensorData::Uint8(vec![number; count]),
        Datatype::Uint16 => TensorData::Uint16(vec![number.into(); count]),
        Datatype::Uint32 => TensorData::Uint32(vec![number.into(); count]),
        Datatype::Uint64 => TensorData::Uint64(vec![number.into(); count]),
        Datatype::Int8 => TensorData::Int8(vec![i8::from(one); count]),
        Datatype::Int16 => TensorData::Int16(vec![number.into(); count]),
        Datatype::Int32 => TensorData::Int32(vec![number.into(); count]),
        Datatype::Int64 => TensorData::Int64(vec![number.into(); count]),
        Datatype::Fp16 => TensorData::Fp16(vec![half::f16::from_f32(number.into()).to_bits(); count]),
        Datatype::Fp32 => TensorData::Fp32(vec![number.into(); count]),
        Datatype::Fp64 => TensorData::Fp64(vec![number.into(); count]),
        Datatype::Bytes => {
            let known = input.features.first().and_then(|feature| feature.categories.first());
            let text = known.cloned().unwrap_or_else(|| if one { "1".into() } else { String::new() });
            TensorData::Bytes(vec![text; count])
        }
    };
    Some(Tensor { name: input.name.clone(), shape, data })
}
