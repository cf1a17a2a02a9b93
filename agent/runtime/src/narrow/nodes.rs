//! Nodes and attributes, made and read.

use tract_onnx::pb::{AttributeProto, NodeProto, attribute_proto::AttributeType};

use super::{NarrowType, ROUND};

/// A node of one output, named by it: the engine takes no two nodes of one name.
pub(crate) fn node(
    operator: &str,
    inputs: &[&str],
    output: &str,
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        op_type: operator.into(),
        name: format!("dunlin/{output}/{operator}"),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..Default::default()
    }
}

/// A node that rounds to a narrow type.
pub(super) fn round(
    input: &str,
    output: &str,
    to: NarrowType,
    mut attributes: Vec<AttributeProto>,
) -> NodeProto {
    attributes.push(int("to", to.number()));
    node(ROUND, &[input], output, attributes)
}

/// An attribute that is a whole number.
pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

/// The attribute of this name, where it is a whole number.
pub(crate) fn number(node: &NodeProto, name: &str) -> Option<i64> {
    let found = node.attribute.iter().find(|attribute| attribute.name == name)?;
    (found.r#type == AttributeType::Int as i32).then_some(found.i)
}

/// Gives the node this attribute and takes one of the same name away.
pub(super) fn set(node: &mut NodeProto, name: &str, value: i64) {
    node.attribute.retain(|attribute| attribute.name != name);
    node.attribute.push(int(name, value));
}
