//! Tensors of the protocol to tensors of the engine and back.

use ::half::f16;
use dunlin_protocol::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::pb::{self, tensor_proto::DataType};
use tract_onnx::tract_hir::internal::{DatumType, IntoTensor, TDim, Tensor as EngineTensor, TractResult};
use tract_onnx::tract_hir::tract_ndarray::{ArrayD, IxDyn};

use crate::error::RunError;

/// The protocol's name of an engine type; `None` where it has none.
pub fn datatype(datum: DatumType) -> Option<Datatype> {
    Some(match datum {
        DatumType::Bool => Datatype::Bool,
        DatumType::U8 => Datatype::Uint8,
        DatumType::U16 => Datatype::Uint16,
        DatumType::U32 => Datatype::Uint32,
        DatumType::U64 => Datatype::Uint64,
        DatumType::I8 => Datatype::Int8,
        DatumType::I16 => Datatype::Int16,
        DatumType::I32 => Datatype::Int32,
        DatumType::I64 | DatumType::TDim => Datatype::Int64,
        DatumType::F16 => Datatype::Fp16,
        DatumType::F32 => Datatype::Fp32,
        DatumType::F64 => Datatype::Fp64,
        DatumType::String => Datatype::Bytes,
        _ => return None,
    })
}

/// The engine's tensor of this shape.
pub fn tensor<T: tract_onnx::tract_hir::internal::Datum>(
    shape: &[usize],
    data: Vec<T>,
) -> TractResult<EngineTensor> {
    Ok(ArrayD::from_shape_vec(IxDyn(shape), data)?.into_tensor())
}

/// An input as the engine's tensor of type `expected`. Numbers are converted where the value survives:
/// to floating point rounded to the nearest, as every runtime does, unless it were infinite then; to integers when
/// whole and in range.
pub fn into_engine(input: &Tensor, expected: Datatype) -> Result<EngineTensor, RunError> {
    let shape = &input.shape;
    let made = match (expected, &input.data) {
        (Datatype::Fp16, TensorData::Fp16(v)) => {
            tensor(shape, v.iter().map(|x| f16::from_bits(*x)).collect())
        }
        (Datatype::Fp32, TensorData::Fp32(v)) => tensor(shape, v.clone()),
        (Datatype::Fp64, TensorData::Fp64(v)) => tensor(shape, v.clone()),
        (Datatype::Int64, TensorData::Int64(v)) => tensor(shape, v.clone()),
        (Datatype::Int32, TensorData::Int32(v)) => tensor(shape, v.clone()),
        (Datatype::Int16, TensorData::Int16(v)) => tensor(shape, v.clone()),
        (Datatype::Int8, TensorData::Int8(v)) => tensor(shape, v.clone()),
        (Datatype::Uint64, TensorData::Uint64(v)) => tensor(shape, v.clone()),
        (Datatype::Uint32, TensorData::Uint32(v)) => tensor(shape, v.clone()),
        (Datatype::Uint16, TensorData::Uint16(v)) => tensor(shape, v.clone()),
        (Datatype::Uint8, TensorData::Uint8(v)) => tensor(shape, v.clone()),
        (Datatype::Bool, TensorData::Bool(v)) => tensor(shape, v.clone()),
        (Datatype::Bytes, TensorData::Bytes(v)) => tensor(shape, v.clone()),
        (Datatype::Bytes | Datatype::Bool, _) | (_, TensorData::Bytes(_)) => {
            return Err(RunError::Datatype {
                input: input.name.clone(),
                found: input.data.datatype(),
                expected,
            });
        }
        (Datatype::Fp16, _) => tensor(shape, each(input, expected, |x| half(x).map(f16::from_bits))?),
        (Datatype::Fp32, _) => tensor(shape, each(input, expected, single)?),
        (Datatype::Fp64, _) => tensor(shape, numbers(input).collect::<Vec<_>>()),
        (Datatype::Int64, TensorData::Int32(v)) => tensor(shape, v.iter().map(|x| i64::from(*x)).collect()),
        (Datatype::Int64, _) => tensor(shape, each(input, expected, |x| exact(x, |x| x as i64))?),
        (Datatype::Int32, _) => tensor(shape, each(input, expected, |x| exact(x, |x| x as i32))?),
        (Datatype::Int16, _) => tensor(shape, each(input, expected, |x| exact(x, |x| x as i16))?),
        (Datatype::Int8, _) => tensor(shape, each(input, expected, |x| exact(x, |x| x as i8))?),
        (Datatype::Uint64, _) => tensor(shape, each(input, expected, |x| exact(x, |x| x as u64))?),
        (Datatype::Uint32, _) => tensor(shape, each(input, expected, |x| exact(x, |x| x as u32))?),
        (Datatype::Uint16, _) => tensor(shape, each(input, expected, |x| exact(x, |x| x as u16))?),
        (Datatype::Uint8, _) => tensor(shape, each(input, expected, |x| exact(x, |x| x as u8))?),
    };
    made.map_err(|error| RunError::Engine { reason: error.to_string() })
}

fn numbers(input: &Tensor) -> impl Iterator<Item = f64> + '_ {
    (0..input.data.len()).map(|index| input.data.number(index).unwrap_or(f64::NAN))
}

/// `x` in single precision, unless a finite number would become an infinite one.
pub(crate) fn single(x: f64) -> Option<f32> {
    let made = x as f32;
    (made.is_finite() || !x.is_finite()).then_some(made)
}

/// The bits of `x` in half precision, unless a finite number would become an infinite one.
pub(crate) fn half(x: f64) -> Option<u16> {
    let made = f16::from_f64(x);
    (made.is_finite() || !x.is_finite()).then(|| made.to_bits())
}

/// `x` converted, if the conversion is undone without loss. Above 2^53 a float is not one integer.
fn exact<T: Copy + TryInto<i64>>(x: f64, convert: impl Fn(f64) -> T) -> Option<T> {
    let made = convert(x);
    let back = made.try_into().ok()?;
    (x.abs() <= 9_007_199_254_740_992.0 && back as f64 == x).then_some(made)
}

fn each<T>(
    input: &Tensor,
    expected: Datatype,
    convert: impl Fn(f64) -> Option<T>,
) -> Result<Vec<T>, RunError> {
    let mut converted = Vec::with_capacity(input.data.len());
    for (index, number) in numbers(input).enumerate() {
        converted.push(convert(number).ok_or_else(|| RunError::Value {
            input: input.name.clone(),
            index,
            value: number.to_string(),
            expected,
        })?);
    }
    Ok(converted)
}

/// An output of the engine under its name in the graph.
pub fn from_engine(name: &str, tensor: &EngineTensor) -> TractResult<Tensor> {
    let data = match tensor.datum_type() {
        DatumType::Bool => TensorData::Bool(elements(tensor)?),
        DatumType::U8 => TensorData::Uint8(elements(tensor)?),
        DatumType::U16 => TensorData::Uint16(elements(tensor)?),
        DatumType::U32 => TensorData::Uint32(elements(tensor)?),
        DatumType::U64 => TensorData::Uint64(elements(tensor)?),
        DatumType::I8 => TensorData::Int8(elements(tensor)?),
        DatumType::I16 => TensorData::Int16(elements(tensor)?),
        DatumType::I32 => TensorData::Int32(elements(tensor)?),
        DatumType::I64 => TensorData::Int64(elements(tensor)?),
        DatumType::F16 => TensorData::Fp16(elements::<f16>(tensor)?.into_iter().map(f16::to_bits).collect()),
        DatumType::F32 => TensorData::Fp32(elements(tensor)?),
        DatumType::F64 => TensorData::Fp64(elements(tensor)?),
        DatumType::String => TensorData::Bytes(elements(tensor)?),
        DatumType::TDim => TensorData::Int64(
            elements::<TDim>(tensor)?
                .iter()
                .map(tract_onnx::tract_hir::internal::DimLike::to_i64)
                .collect::<Result<_, _>>()?,
        ),
        _ => TensorData::Fp64(elements(tensor.cast_to::<f64>()?.as_ref())?),
    };
    Ok(Tensor { name: name.to_owned(), shape: tensor.shape().to_vec(), data })
}

fn elements<T: tract_onnx::tract_hir::internal::Datum>(tensor: &EngineTensor) -> TractResult<Vec<T>> {
    Ok(tensor.try_as_plain_ram()?.as_slice::<T>()?.to_vec())
}

/// A tensor of the protocol as one of an ONNX file.
pub fn into_proto(tensor: &Tensor) -> pb::TensorProto {
    macro_rules! bytes {
        ($values:expr) => {
            $values.iter().flat_map(|x| x.to_le_bytes()).collect()
        };
    }
    let (kind, raw_data): (_, Vec<u8>) = match &tensor.data {
        TensorData::Bool(v) => (DataType::Bool, v.iter().map(|flag| u8::from(*flag)).collect()),
        TensorData::Uint8(v) => (DataType::Uint8, v.clone()),
        TensorData::Uint16(v) => (DataType::Uint16, bytes!(v)),
        TensorData::Uint32(v) => (DataType::Uint32, bytes!(v)),
        TensorData::Uint64(v) => (DataType::Uint64, bytes!(v)),
        TensorData::Int8(v) => (DataType::Int8, bytes!(v)),
        TensorData::Int16(v) => (DataType::Int16, bytes!(v)),
        TensorData::Int32(v) => (DataType::Int32, bytes!(v)),
        TensorData::Int64(v) => (DataType::Int64, bytes!(v)),
        TensorData::Fp16(v) => (DataType::Float16, bytes!(v)),
        TensorData::Fp32(v) => (DataType::Float, bytes!(v)),
        TensorData::Fp64(v) => (DataType::Double, bytes!(v)),
        TensorData::Bytes(_) => (DataType::String, Vec::new()),
    };
    let string_data = match &tensor.data {
        TensorData::Bytes(texts) => texts.iter().map(|text| text.clone().into_bytes()).collect(),
        _ => Vec::new(),
    };
    pb::TensorProto {
        name: tensor.name.clone(),
        data_type: kind as i32,
        dims: tensor.shape.iter().map(|length| *length as i64).collect(),
        raw_data,
        string_data,
        ..Default::default()
    }
}
