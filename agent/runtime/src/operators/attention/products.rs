//! The two matrix products of attention, as the engine multiplies matrices.
//!
//! Query heads that share a key head are rows of one product with it: nothing is repeated. Halves are multiplied and
//! added up in single precision.

use tract_onnx::tract_core::ops::cast::wire_cast;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::mul;
use tract_onnx::tract_hir::internal::*;

use super::heads::Heads;

/// Single precision, or double where that goes in.
pub(super) fn working_type(kind: DatumType) -> DatumType {
    if kind == f64::datum_type() { kind } else { f32::datum_type() }
}

/// scale·Q·Kᵀ `[batch, query heads, queries, keys]` of `[batch, heads, length, size]`, computed in `kind`.
pub(super) fn scores(
    prefix: &str,
    model: &mut TypedModel,
    [query, key]: [OutletId; 2],
    heads: &Heads,
    (scale, kind): (Option<f32>, DatumType),
) -> TractResult<OutletId> {
    let scale = scale.map_or_else(|| (heads.size as f64).sqrt().recip(), f64::from);
    let scale = tensor0(scale).cast_to_dt(kind)?.into_owned().broadcast_into_rank(4)?;
    let scale = model.add_const(format!("{prefix}.scale"), scale)?;
    let [query, key] = [("query", query), ("key", key)].map(|(name, outlet)| {
        wire_cast(format!("{prefix}.{name}"), model, &[outlet], kind).map(|cast| cast[0])
    });
    let query = model.wire_node(format!("{prefix}.scaled"), mul(), &[query?, scale])?[0];
    let query = group(&format!("{prefix}.grouped"), model, query, heads)?;
    let product = EinSum::new("bhmd,bhnd->bhmn".parse()?, kind);
    let scores = model.wire_node(format!("{prefix}.scores"), product, &[query, key?])?[0];
    ungroup(&format!("{prefix}.each"), model, scores, heads)
}

/// Weights times values, `[batch, query heads, queries, value size]`, computed in `kind` and given as `given`.
pub(super) fn values(
    prefix: &str,
    model: &mut TypedModel,
    [weights, value]: [OutletId; 2],
    heads: &Heads,
    (kind, given): (DatumType, DatumType),
) -> TractResult<OutletId> {
    let [weights, value] = [("weights", weights), ("value", value)].map(|(name, outlet)| {
        wire_cast(format!("{prefix}.{name}"), model, &[outlet], kind).map(|cast| cast[0])
    });
    let weights = group(&format!("{prefix}.grouped"), model, weights?, heads)?;
    let product = EinSum::new("bhmn,bhnd->bhmd".parse()?, kind);
    let values = model.wire_node(format!("{prefix}.product"), product, &[weights, value?])?[0];
    let values = ungroup(&format!("{prefix}.each"), model, values, heads)?;
    Ok(wire_cast(format!("{prefix}.given"), model, &[values], given)?[0])
}

/// `[batch, query heads, queries, …]` as `[batch, heads, group·queries, …]`.
fn group(name: &str, model: &mut TypedModel, outlet: OutletId, heads: &Heads) -> TractResult<OutletId> {
    let (apart, together) = rows(heads);
    reshape(name, model, outlet, AxisOp::Reshape(1, apart, together))
}

fn ungroup(name: &str, model: &mut TypedModel, outlet: OutletId, heads: &Heads) -> TractResult<OutletId> {
    let (apart, together) = rows(heads);
    reshape(name, model, outlet, AxisOp::Reshape(1, together, apart))
}

fn rows(heads: &Heads) -> (TVec<TDim>, TVec<TDim>) {
    let apart = tvec![heads.query_heads.to_dim(), heads.queries.clone()];
    (apart, tvec![heads.heads.to_dim(), heads.queries.clone() * heads.group()])
}

fn reshape(name: &str, model: &mut TypedModel, outlet: OutletId, change: AxisOp) -> TractResult<OutletId> {
    Ok(model.wire_node(name, change, &[outlet])?[0])
}
