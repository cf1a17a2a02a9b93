//! `Scan` whose body does not say of what type its inputs are, which is known from outside. tract wants to be told.

use tract_onnx::model::ParsingContext;
use tract_onnx::ops::rec::scan::scan;
use tract_onnx::pb::{NodeProto, TypeProto, tensor_proto::DataType, type_proto};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::scan::InferenceScan;

use super::kernel::Built;

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    let bodies = node.attribute.iter().flat_map(|attribute| &attribute.g);
    let inputs = bodies.flat_map(|body| &body.input).filter(|input| input.r#type.is_none());
    let untyped: Vec<&str> = inputs.map(|input| input.name.as_str()).collect();
    if untyped.is_empty() {
        return scan(context, node);
    }
    // Any type, to be taken back.
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape: None };
    let any = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    let mut typed = node.clone();
    let bodies = typed.attribute.iter_mut().flat_map(|attribute| &mut attribute.g);
    for input in bodies.flat_map(|body| &mut body.input).filter(|input| input.r#type.is_none()) {
        input.r#type = Some(any.clone());
    }
    let (mut op, closures) = scan(context, &typed)?;
    let body = &mut op.as_op_mut().downcast_mut::<InferenceScan>().context("no scan")?.body;
    for input in body.input_outlets()?.to_vec() {
        if !untyped.contains(&body.node(input.node).name.as_str()) {
            continue;
        }
        body.set_outlet_fact(input, InferenceFact::default())?;
        // What takes a slice has the type that the slice was told to have.
        let takers: Vec<usize> = body.outlet_successors(input).iter().map(|inlet| inlet.node).collect();
        for taker in takers {
            body.set_outlet_fact(taker.into(), InferenceFact::default())?;
        }
    }
    Ok((op, closures))
}
