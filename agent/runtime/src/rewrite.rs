//! Making a graph plain before it is given to the engine.
//!
//! `ZipMap` turns a probability matrix into a list of maps, which no tensor runtime can pass on: it is taken
//! out, the matrix goes through and the labels are remembered by [`crate::spec`]. Free dimensions get symbols of
//! ours, so that one plan serves every length of them: what is written there may be any text.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb::{self, tensor_shape_proto::dimension::Value, type_proto};

use crate::error::LoadError;
use crate::operators::lowering;
use crate::{flex_attention, narrow, quantized};

/// A model in types and operators that are there: narrow types carried by others, quantized operators as those that
/// define them.
pub fn lowered(mut model: pb::ModelProto) -> Result<pb::ModelProto, LoadError> {
    narrow::lift(&mut model)?;
    quantized::expand(&mut model);
    Ok(model)
}

/// Takes `ZipMap` out, names nodes that have no name or another one's, by which the engine knows them, and writes others
/// as nodes that it has.
pub fn plain(model: &mut pb::ModelProto) {
    let mut taken = BTreeSet::new();
    for (index, node) in model.graph.iter_mut().flat_map(|graph| &mut graph.node).enumerate() {
        if node.name.is_empty() || taken.contains(&node.name) {
            node.name = format!("{}#{index}", node.op_type);
        }
        taken.insert(node.name.clone());
    }
    let nodes = model.graph.iter_mut().flat_map(|graph| &mut graph.node);
    for node in nodes.filter(|node| node.op_type == "ZipMap") {
        node.op_type = "Identity".into();
        node.domain.clear();
        node.attribute.clear();
    }
    model.graph.iter_mut().for_each(flex_attention::write_out);
    model.graph.iter_mut().for_each(lowering::lower);
}

/// Which free dimensions of the inputs are one and the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Those of one name, and the first ones that have none.
    Kept,
    /// Those of one name, and all first ones: some exporters give the batch another name in every input.
    OneBatch,
}

/// For each input and dimension, the number of its symbol where it is free.
pub type Axes = Vec<Vec<Option<usize>>>;

/// A free dimension, as what tells it from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Free {
    Batch,
    Named(String),
    Place(usize, usize),
}

/// The symbols of an unchanged model's free dimensions.
pub fn axes(model: &pb::ModelProto, naming: Naming) -> Axes {
    let shapes: Vec<Vec<Option<&str>>> = model.graph.iter().flat_map(inputs).map(names).collect();
    let is_batch = |name: &str| {
        naming == Naming::OneBatch && shapes.iter().any(|dims| dims.first() == Some(&Some(name)))
    };
    let mut numbers = BTreeMap::new();
    let mut number = |free: Free| {
        let next = numbers.len();
        *numbers.entry(free).or_insert(next)
    };
    let one = |(input, dims): (usize, &Vec<Option<&str>>)| {
        let symbol = |(axis, name): (usize, &Option<&str>)| {
            name.map(|name| {
                number(match name {
                    "" if axis == 0 => Free::Batch,
                    "" => Free::Place(input, axis),
                    name if is_batch(name) => Free::Batch,
                    name => Free::Named(name.to_owned()),
                })
            })
        };
        dims.iter().enumerate().map(symbol).collect()
    };
    shapes.iter().enumerate().map(one).collect()
}

/// Writes the symbols into the model.
pub fn name_axes(model: &mut pb::ModelProto, axes: &Axes) {
    let Some(graph) = &mut model.graph else { return };
    let held: Vec<String> = graph.initializer.iter().map(|tensor| tensor.name.clone()).collect();
    let inputs = graph.input.iter_mut().filter(|input| !held.contains(&input.name));
    for (input, symbols) in inputs.zip(axes) {
        let Some(type_proto::Value::TensorType(tensor)) =
            input.r#type.as_mut().and_then(|kind| kind.value.as_mut())
        else {
            continue;
        };
        let dims = tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim);
        for (dim, symbol) in dims.zip(symbols) {
            if let Some(symbol) = symbol {
                dim.value = Some(Value::DimParam(format!("dunlin_axis_{symbol}")));
            }
        }
    }
}

/// Inputs that are not constants.
fn inputs(graph: &pb::GraphProto) -> impl Iterator<Item = &pb::ValueInfoProto> {
    graph.input.iter().filter(|input| graph.initializer.iter().all(|tensor| tensor.name != input.name))
}

/// The name of each dimension, empty where it has none; `None` where its length is fixed.
pub fn names(input: &pb::ValueInfoProto) -> Vec<Option<&str>> {
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        return Vec::new();
    };
    let dims = tensor.shape.iter().flat_map(|shape| &shape.dim);
    dims.map(|dim| match &dim.value {
        Some(Value::DimValue(length)) => (*length <= 0).then_some(""),
        Some(Value::DimParam(name)) if name != "?" => Some(name.as_str()),
        Some(Value::DimParam(_)) | None => Some(""),
    })
    .collect()
}
