//! The bodies of an inference: JSON, and behind it the tensors of the protocol's binary tensor data extension. What
//! clients say of the content type does not matter: some say none.

use axum::http::HeaderMap;
use dunlin_protocol::tensor::{Datatype, Tensor, TensorData};

use serde_json::{Value, json};

use super::wire::{InferRequest, WireTensor, head_json, tensor_json};

/// Bytes of JSON at the beginning of the body; without this header all of it is JSON.
pub const HEADER_LENGTH: &str = "inference-header-content-length";

/// Reads a request and its tensors; the reason where it is not one.
pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<(InferRequest, Vec<Tensor>), String> {
    let (head, mut rest) = match headers.get(HEADER_LENGTH) {
        None => (body, &body[body.len()..]),
        Some(length) => {
            let length = length.to_str().ok().and_then(|text| text.parse().ok());
            let parts = length.and_then(|length| body.split_at_checked(length));
            parts.ok_or_else(|| format!("{HEADER_LENGTH} is not a length within the body"))?
        }
    };
    let mut request = InferRequest::parse(head)?;
    let mut tensors = Vec::new();
    for input in std::mem::take(&mut request.inputs) {
        tensors.push(match input.parameters.binary_data_size {
            None => input.into_tensor()?,
            Some(length) => {
                let parts = rest.split_at_checked(length);
                let (bytes, behind) = parts.ok_or_else(|| {
                    format!("input `{}` says it has {length} bytes; {} are left", input.name, rest.len())
                })?;
                rest = behind;
                from_bytes(input, bytes)?
            }
        });
    }
    if !rest.is_empty() {
        return Err(format!("{} bytes behind the inputs belong to none", rest.len()));
    }
    Ok((request, tensors))
}

/// Elements in little-endian order, row by row. Strings have their length before them, in four bytes.
fn from_bytes(input: WireTensor, bytes: &[u8]) -> Result<Tensor, String> {
    macro_rules! numbers {
        ($variant:ident, $type:ty) => {{
            let (elements, rest) = bytes.as_chunks::<{ size_of::<$type>() }>();
            if !rest.is_empty() {
                return Err(format!("input `{}` ends within an element", input.name));
            }
            TensorData::$variant(elements.iter().map(|element| <$type>::from_le_bytes(*element)).collect())
        }};
    }
    let data = match input.datatype {
        Datatype::Bool => TensorData::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
        Datatype::Uint8 => TensorData::Uint8(bytes.to_vec()),
        Datatype::Uint16 => numbers!(Uint16, u16),
        Datatype::Uint32 => numbers!(Uint32, u32),
        Datatype::Uint64 => numbers!(Uint64, u64),
        Datatype::Int8 => numbers!(Int8, i8),
        Datatype::Int16 => numbers!(Int16, i16),
        Datatype::Int32 => numbers!(Int32, i32),
        Datatype::Int64 => numbers!(Int64, i64),
        Datatype::Fp16 => numbers!(Fp16, u16),
        Datatype::Fp32 => numbers!(Fp32, f32),
        Datatype::Fp64 => numbers!(Fp64, f64),
        Datatype::Bytes => TensorData::Bytes(strings(&input.name, bytes)?),
    };
    WireTensor::checked(Tensor { name: input.name, shape: input.shape, data })
}

fn strings(name: &str, mut bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let cut = || format!("input `{name}` ends within a string");
        let (length, behind) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut())?;
        let (text, behind) = behind.split_at_checked(length).ok_or_else(cut)?;
        let text =
            str::from_utf8(text).map_err(|_| format!("input `{name}` has a string that is not UTF-8"))?;
        found.push(text.to_owned());
        bytes = behind;
    }
    Ok(found)
}

/// The outputs of an answer as JSON, and the bytes behind it of those that are wanted so.
pub fn write(outputs: &[(Tensor, bool)]) -> (Vec<Value>, Vec<u8>) {
    let mut tail = Vec::new();
    let mut head = |(tensor, as_bytes): &(Tensor, bool)| {
        if !as_bytes {
            return tensor_json(tensor);
        }
        let before = tail.len();
        to_bytes(&tensor.data, &mut tail);
        let mut head = head_json(tensor);
        head["parameters"] = json!({ "binary_data_size": tail.len() - before });
        head
    };
    (outputs.iter().map(&mut head).collect(), tail)
}

fn to_bytes(data: &TensorData, tail: &mut Vec<u8>) {
    match data {
        TensorData::Bool(v) => tail.extend(v.iter().map(|flag| u8::from(*flag))),
        TensorData::Uint8(v) => tail.extend(v),
        TensorData::Uint16(v) | TensorData::Fp16(v) => tail.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        TensorData::Uint32(v) => tail.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        TensorData::Uint64(v) => tail.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        TensorData::Int8(v) => tail.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        TensorData::Int16(v) => tail.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        TensorData::Int32(v) => tail.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        TensorData::Int64(v) => tail.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        TensorData::Fp32(v) => tail.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        TensorData::Fp64(v) => tail.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        TensorData::Bytes(v) => {
            for text in v {
                // No text of a model comes near 4 GiB: the memory for it would not be there.
                tail.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                tail.extend(text.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_binary(head: &str, tail: &[u8]) -> Result<Vec<Tensor>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER_LENGTH, head.len().into());
        read(&headers, &[head.as_bytes(), tail].concat()).map(|(_, tensors)| tensors)
    }

    #[test]
    fn tensors_behind_the_json_are_read_in_order() {
        let head = r#"{"inputs":[
            {"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},
            {"name":"n","shape":[1],"datatype":"INT64","data":[7]},
            {"name":"s","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}}]}"#;
        let numbers = [1.5f32.to_le_bytes(), (-2.0f32).to_le_bytes()].concat();
        let tail = [&numbers[..], b"\x03\0\0\0wet\0\0\0\0"].concat();
        let tensors = read_binary(head, &tail).unwrap();
        let expected = [
            TensorData::Fp32(vec![1.5, -2.0]),
            TensorData::Int64(vec![7]),
            TensorData::Bytes(vec!["wet".into(), String::new()]),
        ];
        assert_eq!(tensors.into_iter().map(|tensor| tensor.data).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let tensor =
            |name: &str, shape: &[usize], data| Tensor { name: name.into(), shape: shape.to_vec(), data };
        let tensors = [
            tensor("b", &[2], TensorData::Bool(vec![true, false])),
            tensor("u", &[2], TensorData::Uint8(vec![0, 255])),
            tensor("u2", &[1], TensorData::Uint16(vec![u16::MAX])),
            tensor("u4", &[1], TensorData::Uint32(vec![u32::MAX])),
            tensor("u8", &[1], TensorData::Uint64(vec![u64::MAX])),
            tensor("i", &[1], TensorData::Int8(vec![-1])),
            tensor("i2", &[1], TensorData::Int16(vec![i16::MIN])),
            tensor("h", &[2], TensorData::Fp16(vec![0x3c00, 0xfc00])),
            tensor("n", &[2], TensorData::Int32(vec![-7, i32::MAX])),
            tensor("l", &[1, 2], TensorData::Int64(vec![i64::MIN, 3])),
            tensor("x", &[2], TensorData::Fp32(vec![0.1, f32::INFINITY])),
            tensor("d", &[0], TensorData::Fp64(vec![])),
            tensor("s", &[2], TensorData::Bytes(vec!["näss".into(), String::new()])),
        ];
        let (inputs, tail) = write(&tensors.clone().map(|tensor| (tensor, true)));
        assert_eq!(read_binary(&json!({ "inputs": inputs }).to_string(), &tail).unwrap(), tensors);
        let (inputs, tail) = write(&[(tensors[0].clone(), false), (tensors[1].clone(), true)]);
        assert_eq!((inputs[0]["data"].clone(), tail.len()), (json!([true, false]), 2));
    }

    #[test]
    fn lengths_that_lie_are_named() {
        let one = |size: &str| {
            format!(
                r#"{{"inputs":[{{"name":"x","shape":[2],"datatype":"FP32","parameters":{{"binary_data_size":{size}}}}}]}}"#
            )
        };
        let lie = read_binary(&one("18446744073709551615"), &[0; 8]).unwrap_err();
        assert!(lie.contains("`x`") && lie.contains("8 are left"), "{lie}");
        assert!(read_binary(&one("7"), &[0; 7]).unwrap_err().contains("within an element"));
        assert!(read_binary(&one("4"), &[0; 4]).unwrap_err().contains("shape"));
        assert!(read_binary(&one("8"), &[0; 9]).unwrap_err().contains("belong to none"));
        let mut headers = HeaderMap::new();
        headers.insert(HEADER_LENGTH, 100.into());
        assert!(read(&headers, b"{}").unwrap_err().contains(HEADER_LENGTH));
    }

    proptest! {
        #[test]
        fn no_bytes_end_in_a_panic(length in 0usize..200, body in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER_LENGTH, length.into());
            let _ = read(&headers, &body);
            let _ = strings("s", &body);
        }
    }
}
