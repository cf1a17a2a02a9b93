//! Pieces of a graph: nodes, constants, typed names.

use super::proto::{
    AttributeProto, Dimension, DimensionValue, GraphProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto, attribute_type, data_type,
};

/// Domain of the classical machine-learning operators.
pub(super) const ML: &str = "ai.onnx.ml";

/// Element type of an input or output.
#[derive(Debug, Clone, Copy)]
pub(super) enum Element {
    Float,
    Int64,
    Text,
}

/// Builds a graph node by node.
#[derive(Debug, Default)]
pub(super) struct Builder {
    graph: GraphProto,
}

impl Builder {
    pub fn new(name: &str) -> Self {
        Self { graph: GraphProto { name: name.to_owned(), ..GraphProto::default() } }
    }

    /// Adds a node with one output, whose name it gives back.
    pub fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<AttributeProto>,
    ) -> String {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("{op}_{}", self.graph.node.len()),
            op_type: op.to_owned(),
            attribute: attributes,
            domain: if op == "OneHotEncoder" { ML.to_owned() } else { String::new() },
        });
        output.to_owned()
    }

    /// Adds a constant of floats and gives back its name.
    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, dims, data_type::FLOAT, Some(raw), Vec::new())
    }

    /// Adds a constant of integers and gives back its name.
    pub fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, &[values.len()], data_type::INT64, Some(raw), Vec::new())
    }

    /// Adds a constant of texts and gives back its name.
    pub fn texts(&mut self, name: &str, values: &[String]) -> String {
        let texts = values.iter().map(|text| text.clone().into_bytes()).collect();
        self.constant(name, &[values.len()], data_type::STRING, None, texts)
    }

    fn constant(
        &mut self,
        name: &str,
        dims: &[usize],
        data_type: i32,
        raw_data: Option<Vec<u8>>,
        string_data: Vec<Vec<u8>>,
    ) -> String {
        let dims = dims.iter().map(|dim| *dim as i64).collect();
        self.graph.initializer.push(TensorProto {
            dims,
            data_type,
            string_data,
            name: name.to_owned(),
            raw_data,
        });
        name.to_owned()
    }

    /// Declares an input of `[batch, width]`.
    pub fn input(&mut self, name: &str, element: Element, width: usize) {
        self.graph.input.push(value(name, element, Some(width)));
    }

    /// Declares an output of `[batch]`, or `[batch, width]`.
    pub fn output(&mut self, name: &str, element: Element, width: Option<usize>) {
        self.graph.output.push(value(name, element, width));
    }

    pub fn finish(self) -> GraphProto {
        self.graph
    }
}

fn value(name: &str, element: Element, width: Option<usize>) -> ValueInfoProto {
    let batch = Dimension { value: Some(DimensionValue::DimParam("batch".to_owned())) };
    let width = width.map(|width| Dimension { value: Some(DimensionValue::DimValue(width as i64)) });
    let elem_type = match element {
        Element::Float => data_type::FLOAT,
        Element::Int64 => data_type::INT64,
        Element::Text => data_type::STRING,
    };
    let shape = Some(TensorShapeProto { dim: [batch].into_iter().chain(width).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type, shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

/// A whole-number attribute.
pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: Some(value),
        r#type: attribute_type::INT,
        ..AttributeProto::default()
    }
}

/// An attribute of several texts.
pub(super) fn strings(name: &str, values: &[String]) -> AttributeProto {
    let strings = values.iter().map(|text| text.clone().into_bytes()).collect();
    AttributeProto {
        name: name.to_owned(),
        strings,
        r#type: attribute_type::STRINGS,
        ..AttributeProto::default()
    }
}
