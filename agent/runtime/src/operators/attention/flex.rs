//! The halves of `FlexAttention` (`ai.onnx.preview` 1): scores of query and key, and what weights make of values. What
//! stands in between, a softmax and graphs of the model's own, is written out before (`flex_attention` does that).

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, tensor_proto::DataType};
use tract_onnx::tract_core::ops::cast::wire_cast;
use tract_onnx::tract_hir::internal::*;

use super::heads::{Heads, split};
use super::{options, products};
use crate::operators::kernel::{Built, Signature, infer};

/// scale·Q·Kᵀ in the precision of the softmax.
#[derive(Debug, Clone)]
struct Scores {
    scale: Option<f32>,
    /// Single, or double where that goes in, where absent.
    precision: Option<DatumType>,
}

/// Weights·V in the type of V.
#[derive(Debug, Clone)]
struct Values;

/// One that was not written out.
pub(in crate::operators) fn refuse(_: &ParsingContext, _: &NodeProto) -> Built {
    bail!("FlexAttention takes three tensors and gives one, and its graphs take one and give one")
}

pub(in crate::operators) fn build_scores(_: &ParsingContext, node: &NodeProto) -> Built {
    let read = |told: i64| match i32::try_from(told).ok().and_then(|told| DataType::try_from(told).ok()) {
        Some(DataType::Float) => Ok(f32::datum_type()),
        Some(DataType::Double) => Ok(f64::datum_type()),
        Some(DataType::Float16) => Ok(f16::datum_type()),
        _ => bail!("softmax_precision {told} is not supported"),
    };
    let precision = node.get_attr_opt::<i64>("softmax_precision")?.map(read).transpose()?;
    Ok((expand(Scores { scale: options::scale(node)?, precision }), vec![]))
}

pub(in crate::operators) fn build_values(_: &ParsingContext, _: &NodeProto) -> Built {
    Ok((expand(Values), vec![]))
}

impl Scores {
    fn facts(&self, inputs: &[Signature]) -> TractResult<(Heads, DatumType)> {
        let [(kind, query), (key_kind, key)] = inputs else { bail!("FlexAttention takes query and key") };
        ensure!(kind == key_kind && kind.is_float(), "queries of type {kind:?} and keys of {key_kind:?}");
        let (query, key) = (split(query, None)?, split(key, None)?);
        let heads = Heads::new(&[query, key.clone(), key])?;
        Ok((heads, self.precision.unwrap_or_else(|| products::working_type(*kind))))
    }
}

impl Values {
    fn facts(inputs: &[Signature]) -> TractResult<(Heads, DatumType)> {
        let [(kind, weights), (value_kind, value)] = inputs else { bail!("FlexAttention takes a value") };
        ensure!(kind.is_float() && value_kind.is_float(), "weights of {kind:?} and values of {value_kind:?}");
        let ([batch, query_heads, queries, keys], value) = (split(weights, None)?, split(value, None)?);
        let key = [value[0].clone(), value[1].clone(), keys, 1.to_dim()];
        Ok((Heads::new(&[[batch, query_heads, queries, 1.to_dim()], key, value])?, *value_kind))
    }
}

fn signatures(model: &TypedModel, inputs: &[OutletId]) -> TractResult<TVec<Signature>> {
    let facts = inputs.iter().map(|input| model.outlet_fact(*input));
    facts.map(|fact| fact.map(|fact| (fact.datum_type, fact.shape.to_tvec()))).collect()
}

/// `[batch, query heads, queries, last]`
fn of_queries(heads: Heads, last: impl FnOnce(Heads) -> TDim) -> TVec<TDim> {
    tvec![heads.batch.clone(), heads.query_heads.to_dim(), heads.queries.clone(), last(heads)]
}

impl Expansion for Scores {
    fn name(&self) -> StaticName {
        "FlexAttentionScores".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        infer(s, inputs, outputs, tvec![], move |signatures, _| {
            let (heads, kind) = self.facts(signatures)?;
            Ok(tvec!((kind, of_queries(heads, |heads| heads.keys))))
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let signatures = signatures(model, inputs)?;
        let (heads, given) = self.facts(&signatures)?;
        let wide = [signatures[0].0, given].contains(&f64::datum_type());
        let kind = if wide { f64::datum_type() } else { f32::datum_type() };
        let scores = products::scores(prefix, model, [inputs[0], inputs[1]], &heads, (self.scale, kind))?;
        wire_cast(format!("{prefix}.given"), model, &[scores], given)
    }
}

impl Expansion for Values {
    fn name(&self) -> StaticName {
        "FlexAttentionValues".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        infer(s, inputs, outputs, tvec![], |signatures, _| {
            let (heads, kind) = Self::facts(signatures)?;
            Ok(tvec!((kind, of_queries(heads, |heads| heads.value_size))))
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let signatures = signatures(model, inputs)?;
        let (heads, given) = Self::facts(&signatures)?;
        let kind = products::working_type(signatures[0].0);
        products::values(prefix, model, [inputs[0], inputs[1]], &heads, (kind, given)).map(|made| tvec!(made))
    }
}
