//! CBOR (RFC 8949), bounded. The one module that names a CBOR library.

use serde::{Serialize, de::DeserializeOwned};

/// Deepest nesting of arrays and maps that is read.
const MAX_DEPTH: usize = 32;

/// Why bytes are not the value they should hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// More bytes than the reader allows.
    #[error("{length} bytes of CBOR, more than the {limit} allowed here")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Bytes follow the value.
    #[error("{0} bytes follow the CBOR value")]
    Trailing(usize),
    /// Not CBOR, or not of the expected shape.
    #[error("not the expected CBOR: {0}")]
    Shape(String),
    /// The value cannot be written as CBOR.
    #[error("cannot be written as CBOR: {0}")]
    Write(String),
}

/// Writes a value. Structs become maps with text keys, floats the shortest form that keeps their value.
pub fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>, CborError> {
    let mut bytes = Vec::with_capacity(256);
    ciborium::into_writer(value, &mut bytes).map_err(|error| CborError::Write(error.to_string()))?;
    Ok(bytes)
}

/// Reads exactly one value from at most `limit` bytes; anything after it is an error.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, CborError> {
    if bytes.len() > limit {
        return Err(CborError::TooLong { length: bytes.len(), limit });
    }
    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
        .map_err(|error| CborError::Shape(error.to_string()))?;
    if rest.is_empty() { Ok(value) } else { Err(CborError::Trailing(rest.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_length_is_not_allocated() {
        // An array, a byte string and a text of 2^62 elements each, with nothing behind them.
        for head in [0x9b_u8, 0x5b, 0x7b] {
            let mut bytes = vec![head];
            bytes.extend((1_u64 << 62).to_be_bytes());
            assert!(from_slice::<Vec<u8>>(&bytes, 1024).is_err());
            assert!(from_slice::<String>(&bytes, 1024).is_err());
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
        let bytes = vec![0x81_u8; 100_000];
        assert!(matches!(from_slice::<ciborium::Value>(&bytes, 200_000), Err(CborError::Shape(_))));
    }

    #[test]
    fn bytes_after_the_value_are_refused() {
        assert_eq!(from_slice::<u8>(&[1, 2], 10), Err(CborError::Trailing(1)));
        assert_eq!(from_slice::<u8>(&[1, 2], 1), Err(CborError::TooLong { length: 2, limit: 1 }));
        assert_eq!(from_slice::<u8>(&[7], 1), Ok(7));
    }
}
