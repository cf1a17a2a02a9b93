//! Named tensors, with the data types of the Open Inference Protocol v2.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Element type of a tensor (Open Inference Protocol v2, "Tensor Data Types").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Datatype {
    /// Boolean.
    Bool,
    /// Unsigned 8-bit integer.
    Uint8,
    /// Unsigned 16-bit integer.
    Uint16,
    /// Unsigned 32-bit integer.
    Uint32,
    /// Unsigned 64-bit integer.
    Uint64,
    /// Signed 8-bit integer.
    Int8,
    /// Signed 16-bit integer.
    Int16,
    /// Signed 32-bit integer.
    Int32,
    /// Signed 64-bit integer.
    Int64,
    /// IEEE 754 half precision.
    Fp16,
    /// IEEE 754 single precision.
    Fp32,
    /// IEEE 754 double precision.
    Fp64,
    /// Text (ONNX `string`).
    Bytes,
}

impl fmt::Display for Datatype {
    /// The Open Inference Protocol's word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Datatype::Bool => "BOOL",
            Datatype::Uint8 => "UINT8",
            Datatype::Uint16 => "UINT16",
            Datatype::Uint32 => "UINT32",
            Datatype::Uint64 => "UINT64",
            Datatype::Int8 => "INT8",
            Datatype::Int16 => "INT16",
            Datatype::Int32 => "INT32",
            Datatype::Int64 => "INT64",
            Datatype::Fp16 => "FP16",
            Datatype::Fp32 => "FP32",
            Datatype::Fp64 => "FP64",
            Datatype::Bytes => "BYTES",
        })
    }
}

/// A tensor's elements in row-major order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TensorData {
    /// Booleans.
    Bool(Vec<bool>),
    /// Unsigned 8-bit integers.
    Uint8(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Unsigned 16-bit integers.
    Uint16(Vec<u16>),
    /// Unsigned 32-bit integers.
    Uint32(Vec<u32>),
    /// Unsigned 64-bit integers.
    Uint64(Vec<u64>),
    /// Signed 8-bit integers.
    Int8(Vec<i8>),
    /// Signed 16-bit integers.
    Int16(Vec<i16>),
    /// Signed 32-bit integers.
    Int32(Vec<i32>),
    /// Signed 64-bit integers.
    Int64(Vec<i64>),
    /// Half precision, as bits (see [`half`]).
    Fp16(Vec<u16>),
    /// Single precision.
    Fp32(Vec<f32>),
    /// Double precision.
    Fp64(Vec<f64>),
    /// Texts.
    Bytes(Vec<String>),
}

impl TensorData {
    /// The element type.
    pub fn datatype(&self) -> Datatype {
        match self {
            TensorData::Bool(_) => Datatype::Bool,
            TensorData::Uint8(_) => Datatype::Uint8,
            TensorData::Uint16(_) => Datatype::Uint16,
            TensorData::Uint32(_) => Datatype::Uint32,
            TensorData::Uint64(_) => Datatype::Uint64,
            TensorData::Int8(_) => Datatype::Int8,
            TensorData::Int16(_) => Datatype::Int16,
            TensorData::Int32(_) => Datatype::Int32,
            TensorData::Int64(_) => Datatype::Int64,
            TensorData::Fp16(_) => Datatype::Fp16,
            TensorData::Fp32(_) => Datatype::Fp32,
            TensorData::Fp64(_) => Datatype::Fp64,
            TensorData::Bytes(_) => Datatype::Bytes,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            TensorData::Bool(v) => v.len(),
            TensorData::Uint8(v) => v.len(),
            TensorData::Uint16(v) | TensorData::Fp16(v) => v.len(),
            TensorData::Uint32(v) => v.len(),
            TensorData::Uint64(v) => v.len(),
            TensorData::Int8(v) => v.len(),
            TensorData::Int16(v) => v.len(),
            TensorData::Int32(v) => v.len(),
            TensorData::Int64(v) => v.len(),
            TensorData::Fp32(v) => v.len(),
            TensorData::Fp64(v) => v.len(),
            TensorData::Bytes(v) => v.len(),
        }
    }

    /// True when there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element `index` as a number; `None` for texts and out of range.
    pub fn number(&self, index: usize) -> Option<f64> {
        match self {
            TensorData::Bool(v) => v.get(index).map(|b| f64::from(u8::from(*b))),
            TensorData::Uint8(v) => v.get(index).map(|x| f64::from(*x)),
            TensorData::Uint16(v) => v.get(index).map(|x| f64::from(*x)),
            TensorData::Uint32(v) => v.get(index).map(|x| f64::from(*x)),
            TensorData::Uint64(v) => v.get(index).map(|x| *x as f64),
            TensorData::Int8(v) => v.get(index).map(|x| f64::from(*x)),
            TensorData::Int16(v) => v.get(index).map(|x| f64::from(*x)),
            TensorData::Int32(v) => v.get(index).map(|x| f64::from(*x)),
            TensorData::Int64(v) => v.get(index).map(|x| *x as f64),
            TensorData::Fp16(v) => v.get(index).map(|x| half::f16::from_bits(*x).to_f64()),
            TensorData::Fp32(v) => v.get(index).map(|x| f64::from(*x)),
            TensorData::Fp64(v) => v.get(index).copied(),
            TensorData::Bytes(_) => None,
        }
    }
}

/// A named tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
    /// The model's name for it.
    pub name: String,
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// Elements in row-major order; as many as the product of `shape`.
    pub data: TensorData,
}

impl Tensor {
    /// Product of the dimensions, or `None` when it overflows.
    pub fn volume(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |product, dim| product.checked_mul(*dim))
    }

    /// True when the number of elements is what the shape says.
    pub fn is_consistent(&self) -> bool {
        self.volume() == Some(self.data.len())
    }

    /// Puts `other` behind this tensor, along the first dimension; false, and nothing done, where type or the other
    /// dimensions differ. Without dimensions both are taken for one row.
    pub fn append(&mut self, other: Tensor) -> bool {
        let rows = |shape: &[usize]| shape.first().copied().unwrap_or(1);
        let beside = |shape: &[usize]| shape.get(1..).unwrap_or_default().to_vec();
        if beside(&self.shape) != beside(&other.shape) {
            return false;
        }
        match (&mut self.data, other.data) {
            (TensorData::Bool(all), TensorData::Bool(more)) => all.extend(more),
            (TensorData::Uint8(all), TensorData::Uint8(more)) => all.extend(more),
            (TensorData::Uint16(all), TensorData::Uint16(more))
            | (TensorData::Fp16(all), TensorData::Fp16(more)) => all.extend(more),
            (TensorData::Uint32(all), TensorData::Uint32(more)) => all.extend(more),
            (TensorData::Uint64(all), TensorData::Uint64(more)) => all.extend(more),
            (TensorData::Int8(all), TensorData::Int8(more)) => all.extend(more),
            (TensorData::Int16(all), TensorData::Int16(more)) => all.extend(more),
            (TensorData::Int32(all), TensorData::Int32(more)) => all.extend(more),
            (TensorData::Int64(all), TensorData::Int64(more)) => all.extend(more),
            (TensorData::Fp32(all), TensorData::Fp32(more)) => all.extend(more),
            (TensorData::Fp64(all), TensorData::Fp64(more)) => all.extend(more),
            (TensorData::Bytes(all), TensorData::Bytes(more)) => all.extend(more),
            _ => return false,
        }
        let shape = beside(&self.shape);
        self.shape = [rows(&self.shape) + rows(&other.shape)].into_iter().chain(shape).collect();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_of_one_kind_stand_behind_each_other() {
        let one = |shape: &[usize], data: Vec<f32>| Tensor {
            name: "y".into(),
            shape: shape.to_vec(),
            data: TensorData::Fp32(data),
        };
        let mut all = one(&[1, 2], vec![1.0, 2.0]);
        assert!(all.append(one(&[2, 2], vec![3.0; 4])));
        assert_eq!((all.shape.as_slice(), all.data.len(), all.is_consistent()), (&[3, 2][..], 6, true));
        assert!(!all.append(one(&[1, 3], vec![0.0; 3])));
        assert!(!all.append(Tensor {
            name: "y".into(),
            shape: vec![1, 2],
            data: TensorData::Int64(vec![1, 2])
        }));
        let mut scalar = one(&[], vec![1.0]);
        assert!(scalar.append(one(&[], vec![2.0])));
        assert_eq!(scalar.shape, [2]);
    }
}
