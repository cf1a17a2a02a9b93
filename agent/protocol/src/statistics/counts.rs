//! A row of counts, written as one byte string of LEB128 varints: a count below 128 costs a byte.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::MergeError;

/// Most counts in one row that are read.
pub const MAX_COUNTS: usize = 1024;

/// A row of counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(pub Vec<u64>);

impl Counts {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self(vec![0; len])
    }

    /// Sum of all counts.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Adds one to the count at `index`; an index outside the row is ignored.
    pub fn increment(&mut self, index: usize) {
        if let Some(count) = self.0.get_mut(index) {
            *count += 1;
        }
    }

    /// Adds another row of the same length.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        if self.0.len() != other.0.len() {
            return Err(MergeError("the rows of counts differ in length"));
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = mine.saturating_add(*theirs);
        }
        Ok(())
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.0.len() + 8);
        for count in &self.0 {
            let mut rest = *count;
            while rest >= 0x80 {
                bytes.push((rest as u8) | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
        }
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: serde_bytes::ByteBuf = serde_bytes::deserialize(deserializer)?;
        let mut counts = Vec::with_capacity(bytes.len().min(MAX_COUNTS));
        let (mut value, mut shift) = (0_u64, 0_u32);
        for byte in bytes.iter() {
            let part = u64::from(byte & 0x7f);
            if shift > 63 || (shift == 63 && part > 1) {
                return Err(D::Error::custom("a count does not fit into 64 bits"));
            }
            value |= part << shift;
            if byte & 0x80 != 0 {
                shift += 7;
                continue;
            }
            if counts.len() == MAX_COUNTS {
                return Err(D::Error::custom("more than 1024 counts in a row"));
            }
            counts.push(value);
            (value, shift) = (0, 0);
        }
        if shift != 0 {
            return Err(D::Error::custom("the last count is cut off"));
        }
        Ok(Self(counts))
    }
}
