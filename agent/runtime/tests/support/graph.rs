//! ONNX graphs written by hand, for operators that no exported model holds.
#![allow(dead_code)]

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value};

/// A graph that grows node by node. Inputs and initializers are `(name, shape)`, a length of -1 is free.
#[derive(Default, Clone)]
pub struct Graph {
    graph: pb::GraphProto,
    opset: i64,
    ml_opset: i64,
}

impl Graph {
    /// Uses this version of the default operator set, and version 3 of `ai.onnx.ml`.
    pub fn new(opset: i64) -> Self {
        let graph = pb::GraphProto { name: "graph".into(), ..Default::default() };
        Self { graph, opset, ml_opset: 3 }
    }

    pub fn ml_opset(self, ml_opset: i64) -> Self {
        Self { ml_opset, ..self }
    }

    pub fn input(mut self, name: &str, kind: DataType, shape: &[i64]) -> Self {
        self.graph.input.push(value(name, kind as i32, shape));
        self
    }

    /// An input whose free dimensions have names; a dimension that is written as a number is fixed.
    pub fn named_input(mut self, name: &str, kind: DataType, shape: &[&str]) -> Self {
        let mut input = value(name, kind as i32, &vec![-1; shape.len()]);
        if let Some(pb::type_proto::Value::TensorType(tensor)) = &mut input.r#type.as_mut().unwrap().value {
            for (dim, text) in tensor.shape.as_mut().unwrap().dim.iter_mut().zip(shape) {
                let free = Value::DimParam((*text).to_owned());
                dim.value = Some(text.parse().map_or(free, Value::DimValue));
            }
        }
        self.graph.input.push(input);
        self
    }

    pub fn floats(mut self, name: &str, shape: &[i64], data: &[f32]) -> Self {
        self.graph
            .initializer
            .push(pb::TensorProto { float_data: data.to_vec(), ..tensor(name, DataType::Float, shape) });
        self
    }

    pub fn ints(mut self, name: &str, shape: &[i64], data: &[i64]) -> Self {
        self.graph
            .initializer
            .push(pb::TensorProto { int64_data: data.to_vec(), ..tensor(name, DataType::Int64, shape) });
        self
    }

    /// An input of an element type that has only a number.
    pub fn numbered_input(mut self, name: &str, kind: i32, shape: &[i64]) -> Self {
        self.graph.input.push(value(name, kind, shape));
        self
    }

    /// An initializer of an element type that has only a number, as its bytes.
    pub fn bytes(mut self, name: &str, kind: i32, shape: &[i64], bytes: &[u8]) -> Self {
        let tensor = tensor(name, DataType::Undefined, shape);
        self.graph.initializer.push(pb::TensorProto { data_type: kind, raw_data: bytes.to_vec(), ..tensor });
        self
    }

    /// A node named as its first output. The operator may have its domain before it.
    pub fn node(
        mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[pb::AttributeProto],
    ) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (domain, operator) = operator.rsplit_once('.').unwrap_or(("", operator));
        self.graph.node.push(pb::NodeProto {
            op_type: operator.into(),
            domain: domain.into(),
            name: outputs[0].into(),
            input: names(inputs),
            output: names(outputs),
            attribute: attributes.to_vec(),
            ..Default::default()
        });
        self
    }

    /// The graph itself, to stand inside another's node, with these outputs.
    pub fn inner(mut self, outputs: &[&str]) -> pb::GraphProto {
        let output = |name: &&str| pb::ValueInfoProto { name: (*name).to_owned(), ..Default::default() };
        self.graph.output = outputs.iter().map(output).collect();
        self.graph
    }

    /// The file, with these outputs, whose types are left to the engine.
    pub fn onnx(self, outputs: &[&str]) -> Vec<u8> {
        let (opset, ml_opset) = (self.opset, self.ml_opset);
        let set = |domain: &str, version| pb::OperatorSetIdProto { domain: domain.into(), version };
        pb::ModelProto {
            ir_version: 8,
            opset_import: vec![set("", opset), set("ai.onnx.ml", ml_opset)],
            graph: Some(self.inner(outputs)),
            ..Default::default()
        }
        .encode_to_vec()
    }
}

fn tensor(name: &str, kind: DataType, shape: &[i64]) -> pb::TensorProto {
    pb::TensorProto { name: name.into(), data_type: kind as i32, dims: shape.to_vec(), ..Default::default() }
}

fn value(name: &str, elem_type: i32, shape: &[i64]) -> pb::ValueInfoProto {
    let dim = |length: &i64| Dimension {
        value: (*length >= 0).then_some(Value::DimValue(*length)),
        ..Default::default()
    };
    let shape = pb::TensorShapeProto { dim: shape.iter().map(dim).collect() };
    let tensor = pb::type_proto::Tensor { elem_type, shape: Some(shape) };
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn attribute(name: &str, kind: AttributeType) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
}

pub fn int(name: &str, i: i64) -> pb::AttributeProto {
    pb::AttributeProto { i, ..attribute(name, AttributeType::Int) }
}

pub fn float(name: &str, f: f32) -> pb::AttributeProto {
    pb::AttributeProto { f, ..attribute(name, AttributeType::Float) }
}

pub fn text(name: &str, s: &str) -> pb::AttributeProto {
    pb::AttributeProto { s: s.as_bytes().to_vec(), ..attribute(name, AttributeType::String) }
}

pub fn ints(name: &str, ints: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto { ints: ints.to_vec(), ..attribute(name, AttributeType::Ints) }
}

pub fn floats(name: &str, floats: &[f32]) -> pb::AttributeProto {
    pb::AttributeProto { floats: floats.to_vec(), ..attribute(name, AttributeType::Floats) }
}

/// A list of doubles, which is a tensor there.
pub fn doubles(name: &str, doubles: &[f64]) -> pb::AttributeProto {
    let list = pb::TensorProto {
        double_data: doubles.to_vec(),
        ..tensor("", DataType::Double, &[doubles.len() as i64])
    };
    pb::AttributeProto { t: Some(list), ..attribute(name, AttributeType::Tensor) }
}

pub fn texts(name: &str, texts: &[&str]) -> pb::AttributeProto {
    let strings = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    pb::AttributeProto { strings, ..attribute(name, AttributeType::Strings) }
}

pub fn graph(name: &str, graph: pb::GraphProto) -> pb::AttributeProto {
    pb::AttributeProto { g: Some(graph), ..attribute(name, AttributeType::Graph) }
}
