//! Why a model could not be loaded or run.

use dunlin_protocol::tensor::Datatype;
use serde::{Deserialize, Serialize};

/// A node whose operator is neither tract's nor ours, or asks for what ours does not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsupportedNode {
    /// Operator, with its domain where that is not ONNX' own.
    pub operator: String,
    /// Name of the node in the graph.
    pub node: String,
    /// What it asks for, and what to change; `None` where nothing helps but leaving the operator out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl UnsupportedNode {
    /// An operator that is not there at all.
    pub(crate) fn unknown(operator: String, node: String) -> Self {
        Self { operator, node, reason: None }
    }
}

impl std::fmt::Display for UnsupportedNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = self.reason.as_deref().unwrap_or("export the model without it");
        write!(f, "operator `{}` (node `{}`): {reason}", self.operator, self.node)
    }
}

/// A model file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not an ONNX model.
    #[error(
        "this is not an ONNX model: {reason}; export the model with skl2onnx, torch.onnx or tf2onnx and give \
         the .onnx file itself"
    )]
    NotOnnx {
        /// What is wrong with the bytes.
        reason: String,
    },
    /// Larger than a device may be asked to load.
    #[error("the model has {found} {what}, at most {limit} are loaded; export a smaller model")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much of it.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A tensor inside of the graph that is too large, whatever goes in.
    #[error(
        "node `{node}` ({operator}) gives a tensor of shape [{shape}], {bytes} bytes for a single row, and at most a \
         gigabyte is taken; export the model with smaller constant shapes"
    )]
    LargeTensor {
        /// Name of the node.
        node: String,
        /// Its operator.
        operator: String,
        /// The shape.
        shape: String,
        /// Its bytes with a length of 1 for all free dimensions.
        bytes: u64,
    },
    /// Constants that the graph computes are many times as large as the file.
    #[error(
        "node `{node}` is a constant that the graph computes, and these would take more than {limit} bytes, many times \
         the model's own size; export it with smaller constant shapes, or with these constants in it"
    )]
    Constants {
        /// Name of the node where it was too much.
        node: String,
        /// Most bytes of all that are computed.
        limit: u64,
    },
    /// Weights are in another file.
    #[error(
        "the weights of tensor `{tensor}` are in another file; save the model as one file \
         (onnx.save_model(model, path, save_as_external_data=False))"
    )]
    ExternalData {
        /// Name of the tensor.
        tensor: String,
    },
    /// Operators that cannot be run.
    #[error("not supported: {}", list(nodes))]
    Unsupported {
        /// Each node that cannot be run.
        nodes: Vec<UnsupportedNode>,
    },
    /// An ONNX model that contradicts itself.
    #[error("the ONNX model contradicts itself: {reason}; export it again and check it with onnx.checker")]
    Malformed {
        /// Where and how.
        reason: String,
    },
    /// The bundle's specification does not describe this graph.
    #[error("the specification does not fit the ONNX graph: {reason}; make the bundle again from this model")]
    Spec {
        /// The first difference.
        reason: String,
    },
    /// The inference engine refused the graph.
    #[error(
        "the graph cannot be prepared for running: {reason}; export it with opset 9 to 18 and fixed feature counts"
    )]
    Engine {
        /// What the engine said.
        reason: String,
    },
}

fn list(nodes: &[UnsupportedNode]) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<String> = nodes.iter().take(SHOWN).map(ToString::to_string).collect();
    if nodes.len() > SHOWN {
        text.push(format!("and {} more nodes", nodes.len() - SHOWN));
    }
    text.join("; ")
}

/// Inputs that the model cannot take, or a run that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// An input is not there.
    #[error("input `{input}` is missing; the model takes {expected}")]
    MissingInput {
        /// Name of the input.
        input: String,
        /// All inputs with type and shape.
        expected: String,
    },
    /// An input that the model does not have, or twice.
    #[error("input `{input}` is not one of the model's, or is given twice; the model takes {expected}")]
    UnknownInput {
        /// Name that was given.
        input: String,
        /// All inputs with type and shape.
        expected: String,
    },
    /// Elements of another type.
    #[error("input `{input}` is {found}, the model takes {expected}; send it as that type")]
    Datatype {
        /// Name of the input.
        input: String,
        /// Type that was given.
        found: Datatype,
        /// Type that is taken.
        expected: Datatype,
    },
    /// Another shape.
    #[error("input `{input}` has shape {found}, the model takes {expected}; {cure}")]
    Shape {
        /// Name of the input.
        input: String,
        /// Shape that was given.
        found: String,
        /// Shape that is taken, `?` is free.
        expected: String,
        /// What to change.
        cure: &'static str,
    },
    /// A value that the model's type cannot hold.
    #[error(
        "input `{input}`: element {index} is {value}, which does not fit into {expected}; send a value of that type"
    )]
    Value {
        /// Name of the input.
        input: String,
        /// Index of the element, row-major.
        index: usize,
        /// The value.
        value: String,
        /// Type that is taken.
        expected: Datatype,
    },
    /// The engine failed on these inputs.
    #[error(
        "the model failed on these inputs: {reason}; if they are right, try them with `dunlin-agent check`"
    )]
    Engine {
        /// What the engine said.
        reason: String,
    },
}
