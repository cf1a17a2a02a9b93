//! Golden vectors: inputs, and the outputs that another runtime than ours gave for them.

use serde::{Deserialize, Serialize};

use crate::tensor::Tensor;

/// A bundle's `golden.cbor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// The runtime that computed the outputs, for example `dunlin-learning 0.1.0` or `onnxruntime 1.22`.
    /// Never the runtime that is checked.
    pub origin: String,
    /// Input tensors, a batch of rows each.
    pub inputs: Vec<Tensor>,
    /// Expected output tensors.
    pub outputs: Vec<Tensor>,
    /// Largest allowed |found − expected| / max(1, |expected|).
    pub tolerance: f64,
}
