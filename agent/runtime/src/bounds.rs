//! How much memory a graph asks for, told before it is taken.
//!
//! A file of a few bytes can ask for a tensor of any size: `ConstantOfShape`, `Expand`, `Range`, `Tile`, `Pad` and
//! others take the length of what they give from a constant. The engine computes such constants while it loads.

use prost::Message as _;
use tract_onnx::ops::logic::If;
use tract_onnx::pb::ModelProto;
use tract_onnx::tract_core::ops::logic::IfThenElse;
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::scan::InferenceScan;

use crate::error::LoadError;

/// Most bytes of one tensor inside of a graph, for a single row.
const MAX_TENSOR_BYTES: u64 = 1 << 30;

/// Bytes of constants that any graph may compute, and how many times its own size beyond that: exporters write small
/// tables for large ones, but a file of a few bytes that fills the memory is a bomb.
const COMPUTED: (u64, u64) = (8 << 20, 4);

/// Refuses a graph in which a tensor is too large, or that computes constants of many times its own size. Node by node:
/// the shapes that come out are told by rules alone, and only then may the engine compute the node.
pub fn check(model: &mut InferenceModel, file: &ModelProto) -> Result<(), LoadError> {
    let (least, times) = COMPUTED;
    let most = least.saturating_add(times.saturating_mul(file.encoded_len() as u64));
    check_graph(model, &mut Budget { left: most, most })
}

/// Bytes of constants that may still be computed.
struct Budget {
    left: u64,
    most: u64,
}

impl Budget {
    fn take(&mut self, node: &str, bytes: u64) -> Result<(), LoadError> {
        let refused = || LoadError::Constants { node: node.to_owned(), limit: self.most };
        self.left = self.left.checked_sub(bytes).ok_or_else(refused)?;
        Ok(())
    }
}

fn check_graph(model: &mut InferenceModel, budget: &mut Budget) -> Result<(), LoadError> {
    // What else is wrong with a graph is told when the engine translates it.
    let order = model.eval_order().unwrap_or_default();
    for id in order {
        for body in bodies(model.node_mut(id)) {
            check_graph(body, budget)?;
        }
        check_node(model, id, budget).unwrap_or(Ok(()))?;
    }
    Ok(())
}

/// Graphs inside of a node. What they take from outside is not known in them.
fn bodies(node: &mut InferenceNode) -> TVec<&mut InferenceModel> {
    if node.op_is::<If>() {
        node.op_as_mut::<If>().map(|op| tvec![&mut op.then_body, &mut op.else_body]).unwrap_or_default()
    } else {
        node.op_as_mut::<InferenceScan>().map(|op| tvec![&mut op.body]).unwrap_or_default()
    }
}

fn check_node(
    model: &mut InferenceModel,
    id: usize,
    budget: &mut Budget,
) -> TractResult<Result<(), LoadError>> {
    let (inputs, outputs) = model.node_facts(id)?;
    let inputs: TVec<InferenceFact> = inputs.into_iter().cloned().collect();
    let outputs: TVec<InferenceFact> = outputs.into_iter().cloned().collect();
    let watched = model.node(id).op.observe_outlets(model, model.node(id))?;
    let watched: TVec<InferenceFact> =
        watched.iter().map(|outlet| model.outlet_fact(*outlet).cloned()).collect::<TractResult<_>>()?;
    let known = || (inputs.iter().collect(), outputs.iter().collect(), watched.iter().collect());

    let (i, o, w) = known();
    let (_, told, _) = model.node_mut(id).op.infer_facts(i, o, w)?;
    let node = model.node(id);
    if let Some(place) = farthest(&node.op.name(), &inputs) {
        let reason = format!("node `{}` takes place {place}, which no tensor has", node.name);
        return Ok(Err(LoadError::Malformed { reason }));
    }
    if let Some(length) = longest(&node.op.name(), &inputs) {
        let bytes = length.unsigned_abs();
        let (node, operator, shape) = (node.name.clone(), node.op.name().into_owned(), length.to_string());
        return Ok(Err(LoadError::LargeTensor { node, operator, shape, bytes }));
    }
    let is_computed = !inputs.is_empty() && inputs.iter().all(|fact| fact.value.concretize().is_some());
    for fact in &told {
        let Some(dims) = fact.shape.concretize() else { continue };
        let width = fact.datum_type.concretize().map_or(1, |kind| kind.size_of());
        let node = model.node(id);
        let bounded = refuse_beyond(&node.name, &node.op.name(), &dims, width);
        let paid =
            bounded.and_then(|bytes| if is_computed { budget.take(&node.name, bytes) } else { Ok(()) });
        if paid.is_err() {
            return Ok(paid);
        }
    }
    let (i, o, w) = known();
    let (_, computed, _) = model.node_mut(id).op.infer(i, o, w)?;
    for (slot, (fact, before)) in computed.iter().zip(&outputs).enumerate() {
        model.set_outlet_fact(OutletId::new(id, slot), fact.unify(before)?)?;
    }
    Ok(Ok(()))
}

/// A length in a node's inputs that no tensor can have. The engine's rules would take it for another one: they count
/// lengths in 32 bits.
fn longest(operator: &str, inputs: &[InferenceFact]) -> Option<i64> {
    const TAKE_LENGTHS: [&str; 9] = [
        "ConstantOfShape",
        "MultiBroadcastTo",
        "OneHot",
        "Pad",
        "Range",
        "Reshape",
        "Resize",
        "Tile",
        "Topk",
    ];
    if TAKE_LENGTHS.contains(&operator) { beyond_counting(inputs) } else { None }
}

/// A place that a node picks from a tensor, and that no tensor can have. On boards of 32 bits the engine would take it for
/// another one.
fn farthest(operator: &str, inputs: &[InferenceFact]) -> Option<i64> {
    let picks = ["Gather", "GatherElements", "GatherNd"].contains(&operator);
    inputs.get(1..2).filter(|_| picks).and_then(beyond_counting)
}

/// The largest whole number among known values that 32 bits do not hold.
fn beyond_counting(facts: &[InferenceFact]) -> Option<i64> {
    let whole = facts
        .iter()
        .filter_map(|fact| fact.value.concretize())
        .filter(|value| value.datum_type().is_integer() || value.datum_type() == TDim::datum_type());
    let lengths = whole.filter_map(|value| {
        let value = value.cast_to::<i64>().ok()?;
        let numbers = value.try_as_plain_ram().ok()?;
        numbers.as_slice::<i64>().ok()?.iter().copied().max_by_key(|length| length.unsigned_abs())
    });
    lengths.filter(|length| i32::try_from(*length).is_err()).max_by_key(|length| length.unsigned_abs())
}

/// The same for the graph that is about to be made ready: more shapes are known there.
pub fn check_typed(model: &TypedModel) -> Result<(), LoadError> {
    for node in model.nodes() {
        if let Some(scan) = node.op_as::<Scan>() {
            check_typed(&scan.body)?;
        } else if let Some(branches) = node.op_as::<IfThenElse>() {
            check_typed(&branches.then_body)?;
            check_typed(&branches.else_body)?;
        }
        for output in &node.outputs {
            let width = output.fact.datum_type.size_of();
            refuse_beyond(&node.name, &node.op.name(), &output.fact.shape.to_tvec(), width)?;
        }
    }
    Ok(())
}

/// The bytes of a tensor, unless they are too many.
fn refuse_beyond(node: &str, operator: &str, dims: &[TDim], width: usize) -> Result<u64, LoadError> {
    let bytes = dims.iter().map(at_one_row).fold(width as u64, u64::saturating_mul);
    if bytes <= MAX_TENSOR_BYTES {
        return Ok(bytes);
    }
    let shape = dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    Err(LoadError::LargeTensor { node: node.to_owned(), operator: operator.to_owned(), shape, bytes })
}

/// A length, with 1 for every symbol; 1 also where it is not a number then.
fn at_one_row(dim: &TDim) -> u64 {
    let ones = dim.symbols().into_iter().fold(SymbolValues::default(), |ones, symbol| ones.with(&symbol, 1));
    dim.eval(&ones).to_i64().ok().and_then(|length| u64::try_from(length).ok()).unwrap_or(1)
}
