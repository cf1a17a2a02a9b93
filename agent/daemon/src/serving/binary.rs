//! The body of an inference request: JSON, and behind it the tensors of the protocol's binary tensor data extension.
//! What clients say of the content type does not matter: some say none.

use axum::http::HeaderMap;
use dunlin_protocol::tensor::{Datatype, Tensor, TensorData};

use super::wire::{InferRequest, WireTensor};

/// Bytes of JSON at the beginning of the body; without this header all of it is JSON.
const HEADER_LENGTH: &str = "inference-header-content-length";

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
    let mut request: InferRequest = serde_json::from_slice(head)
        .map_err(|error| format!("the request is not one of the protocol: {error}"))?;
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
        Datatype::Int8 => numbers!(Int8, i8),
        Datatype::Int32 => numbers!(Int32, i32),
        Datatype::Int64 => numbers!(Int64, i64),
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
