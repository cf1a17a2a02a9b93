//! Making a graph plain before it is given to the engine.
//!
//! `ZipMap` turns a probability matrix into a list of maps, which no tensor runtime can pass on: it is taken
//! out, the matrix goes through and the labels are remembered by [`crate::spec`]. Free dimensions get names,
//! the batch the same one everywhere, so that one plan serves every batch size.

use tract_onnx::pb::{self, tensor_shape_proto::dimension::Value, type_proto};

/// Name of the free first dimension.
const BATCH: &str = "dunlin_batch";

/// The graph without `ZipMap` and with named free dimensions.
pub fn plain(mut model: pb::ModelProto) -> pb::ModelProto {
    if let Some(graph) = &mut model.graph {
        for node in &mut graph.node {
            if node.op_type == "ZipMap" {
                node.op_type = "Identity".into();
                node.domain.clear();
                node.attribute.clear();
            }
        }
        let known: Vec<String> = graph.initializer.iter().map(|t| t.name.clone()).collect();
        for (index, input) in graph.input.iter_mut().enumerate().filter(|(_, i)| !known.contains(&i.name)) {
            name_free_dimensions(index, input);
        }
    }
    model
}

fn name_free_dimensions(index: usize, input: &mut pb::ValueInfoProto) {
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_mut().and_then(|t| t.value.as_mut())
    else {
        return;
    };
    let Some(shape) = &mut tensor.shape else { return };
    for (axis, dim) in shape.dim.iter_mut().enumerate() {
        let free = match &dim.value {
            Some(Value::DimValue(length)) => *length <= 0,
            Some(Value::DimParam(_)) | None => true,
        };
        if free {
            let name = if axis == 0 { BATCH.to_owned() } else { format!("dunlin_free_{index}_{axis}") };
            dim.value = Some(Value::DimParam(name));
        }
    }
}
