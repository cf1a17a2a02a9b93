//! What is in an ONNX file, told without running it.

use std::collections::BTreeSet;

use dunlin_protocol::spec::ModelSpec;
use serde::{Deserialize, Serialize};
use tract_onnx::pb;

use crate::error::{LoadError, UnsupportedNode};
use crate::{operators, proto, rewrite, spec};

/// Versions of the default operator set that the ONNX project's own cases and people's exports were tested with
/// (`docs/operators.md`).
const TESTED: std::ops::RangeInclusive<i64> = 9..=28;

/// What is in an ONNX file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Version of the default operator set; 0 where the file has none.
    pub opset: i64,
    /// Operators in use, sorted.
    pub operators: Vec<String>,
    /// Nodes that cannot be run.
    pub unsupported: Vec<UnsupportedNode>,
    /// Inputs and outputs, as far as the file tells without being loaded.
    pub spec: ModelSpec,
    /// What one should know though it need not hinder.
    pub warnings: Vec<String>,
}

/// Reads a file and tells what is in it. An error only when it is not a model at all.
pub fn inspect(onnx: &[u8]) -> Result<Inspection, LoadError> {
    let model = proto::read(onnx)?;
    let opset = model
        .opset_import
        .iter()
        .find(|import| import.domain.is_empty() || import.domain == "ai.onnx")
        .map_or(0, |import| import.version);
    let mut used = BTreeSet::new();
    if let Some(graph) = &model.graph {
        proto::visit_nodes(graph, &mut |node| {
            used.insert(operator_name(node));
        });
    }
    let model = rewrite::lowered(model)?;
    let unsupported = unsupported(&model);
    let spec = spec::infer(&model)?;
    let mut warnings = Vec::new();
    if opset != 0 && !TESTED.contains(&opset) {
        warnings.push(format!(
            "opset {opset} is outside {} to {}, which is what is tested: export with one of those",
            TESTED.start(),
            TESTED.end()
        ));
    }
    for input in &spec.inputs {
        if input.shape.is_empty() || input.shape.iter().skip(1).any(Option::is_none) {
            let shape = spec::describe_shape(&input.shape);
            warnings.push(format!(
                "input `{}` has shape {shape}: only the batch can stay free if its columns shall be counted",
                input.name
            ));
        }
    }
    Ok(Inspection { opset, operators: used.into_iter().collect(), unsupported, spec, warnings })
}

fn operator_name(node: &pb::NodeProto) -> String {
    match node.domain.as_str() {
        "" | "ai.onnx" | "ai.onnx.ml" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// Nodes that cannot be run: their operator is not there, or cannot do what they ask for.
pub(crate) fn unsupported(model: &pb::ModelProto) -> Vec<UnsupportedNode> {
    let register = operators::framework().op_register;
    let mut found = Vec::new();
    if let Some(graph) = &model.graph {
        proto::visit_nodes(graph, &mut |node| {
            let known_domain = matches!(
                node.domain.as_str(),
                "" | "ai.onnx" | "ai.onnx.ml" | "ai.onnx.preview" | "com.microsoft"
            );
            let known = register.0.contains_key(&node.op_type) || node.op_type == "ZipMap";
            let reason = operators::refusal(node);
            if !(known_domain && known) || reason.is_some() {
                found.push(UnsupportedNode {
                    operator: operator_name(node),
                    node: proto::label(node),
                    reason,
                });
            }
        });
    }
    found
}
