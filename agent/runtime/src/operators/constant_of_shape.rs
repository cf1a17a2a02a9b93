//! `ConstantOfShape` that names no value: zeros in single precision. tract's are in double.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto, tensor_proto::DataType};

use super::kernel::{Built, engine};

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    if node.attribute.iter().any(|attribute| attribute.name == "value") {
        return engine(context, node);
    }
    let zero = TensorProto {
        data_type: DataType::Float as i32,
        dims: vec![1],
        float_data: vec![0.0],
        ..Default::default()
    };
    let value = AttributeProto { t: Some(zero), r#type: AttributeType::Tensor as i32, ..Default::default() };
    let mut node = node.clone();
    node.attribute.push(AttributeProto { name: "value".into(), ..value });
    engine(context, &node)
}
