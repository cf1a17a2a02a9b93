//! What a recurrent node asks for, and what of that cannot be given.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use crate::operators::attributes::strings;

/// A function inside a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Relu,
    Sigmoid,
    Tanh,
}

/// The attributes that are read here.
#[derive(Debug)]
pub(super) struct Options {
    /// From the last element of the sequence to the first.
    pub(super) reverse: bool,
    /// The functions of a cell, in the order of the ONNX operator page; the same for both directions.
    pub(super) activations: Vec<Activation>,
}

/// Why this node cannot be run, and what to change; `None` for what can, and for any other operator.
pub(crate) fn refusal(node: &NodeProto) -> Option<String> {
    matches!(node.op_type.as_str(), "LSTM" | "GRU" | "RNN")
        .then(|| Options::read(node).err().map(|reason| reason.to_string()))
        .flatten()
}

impl Options {
    pub(super) fn read(node: &NodeProto) -> TractResult<Self> {
        let has = |name: &str| node.attribute.iter().any(|attribute| attribute.name == name);
        ensure!(!has("clip"), "its `clip` is not applied: train and export it without clipping");
        let whole = |name: &str| Ok::<_, TractError>(node.get_attr_opt::<i64>(name)?.unwrap_or(0));
        ensure!(
            whole("input_forget")? == 0,
            "its `input_forget` is not applied: export it with separate input and forget gates"
        );
        let directions = match node.get_attr_opt::<&str>("direction")?.unwrap_or("forward") {
            "forward" | "reverse" => 1,
            "bidirectional" => 2,
            other => bail!("its direction `{other}` is none that ONNX knows: export it again"),
        };
        let reverse = node.get_attr_opt::<&str>("direction")? == Some("reverse");
        Ok(Self { reverse, activations: activations(node, directions)? })
    }
}

fn activations(node: &NodeProto, directions: usize) -> TractResult<Vec<Activation>> {
    use Activation::{Relu, Sigmoid, Tanh};
    let standard = match node.op_type.as_str() {
        "LSTM" => vec![Sigmoid, Tanh, Tanh],
        "GRU" => vec![Sigmoid, Tanh],
        _ => vec![Tanh],
    };
    let names = strings(node, "activations")?;
    if names.is_empty() {
        return Ok(standard);
    }
    let refused = || {
        let known = if node.op_type == "LSTM" { "Sigmoid, Tanh and Tanh" } else { "Relu, Sigmoid and Tanh" };
        format_err!("its activations are {}: export it with {known}", names.join(", "))
    };
    ensure!(names.len() == standard.len() * directions, refused());
    let known = |name: &String| match name.to_ascii_lowercase().as_str() {
        "relu" => Some(Relu),
        "sigmoid" => Some(Sigmoid),
        "tanh" => Some(Tanh),
        _ => None,
    };
    let read: Vec<Activation> = names.iter().map(known).collect::<Option<_>>().ok_or_else(refused)?;
    let (first, rest) = read.split_at(standard.len());
    ensure!(rest.is_empty() || rest == first, refused());
    // tract's LSTM cell is one operator with these three inside.
    ensure!(node.op_type != "LSTM" || first == standard, refused());
    Ok(first.to_vec())
}
