//! `Attention` (ONNX 23, 24 and 25), softmax(scale·Q·Kᵀ + mask)·V, and `FlexAttention` (`ai.onnx.preview` 1), where
//! graphs stand for the mask.
//!
//! [`options`] reads a node and [`heads`] its shapes. [`products`] are the two matrix products, left to the engine's
//! kernels, with [`weights`] between them; [`flex`] is made of the same products.

mod flex;
mod heads;
mod options;
mod products;
mod weights;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::cast::wire_cast;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Signature, infer, wire};
pub(super) use flex::{build_scores, build_values, refuse as refuse_flex};
use heads::{Heads, split};
use options::{Options, Output};
use weights::Weights;

#[derive(Debug, Clone)]
struct Attention(Options);

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    Ok((expand(Attention(Options::read(node, context.onnx_operator_set_version)?)), vec![]))
}

impl Attention {
    fn heads(&self, shapes: [&[TDim]; 3]) -> TractResult<Heads> {
        let heads = [self.0.query_heads, self.0.key_heads, self.0.key_heads];
        let [query, key, value] = [0, 1, 2].map(|index| split(shapes[index], heads[index]));
        ensure!(
            shapes.iter().all(|shape| shape.len() == shapes[0].len()),
            "query, key and value have not the same number of dimensions"
        );
        Heads::new(&[query?, key?, value?])
    }

    /// Types and shapes of the outputs.
    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let [(kind, query), (key_kind, key), (value_kind, value), ..] = inputs else {
            bail!("Attention takes query, key and value")
        };
        ensure!(inputs.len() == self.0.inputs, "Attention takes {} inputs here", self.0.inputs);
        ensure!(
            kind == key_kind && kind.is_float() && value_kind.is_float(),
            "queries of type {kind:?}, keys of {key_kind:?} and values of {value_kind:?}"
        );
        let heads = self.heads([query, key, value])?;
        let mut total = heads.keys.clone();
        if let Some([past_key, past_value]) = self.0.past {
            let [past_key, past_value] = [&inputs[past_key], &inputs[past_value]];
            ensure!(
                past_key.0 == *kind && past_value.0 == *value_kind,
                "past keys or values of another type"
            );
            ensure!(past_key.1.len() == 4, "past keys of {} dimensions", past_key.1.len());
            let past = &past_key.1[2];
            let like = |size: TDim| tvec![heads.batch.clone(), heads.heads.to_dim(), past.clone(), size];
            let agree =
                past_key.1 == like(heads.size.to_dim()) && past_value.1 == like(heads.value_size.clone());
            ensure!(
                agree,
                "past keys of shape {:?} and values of {:?} do not fit {heads:?}",
                past_key.1,
                past_value.1
            );
            total += past;
        }
        if let Some(mask) = self.0.mask {
            ensure!(inputs[mask].0.is_number() || inputs[mask].0 == bool::datum_type(), "a mask of texts");
        }
        if let Some(counts) = self.0.counts {
            ensure!(
                inputs[counts].0.is_integer() || inputs[counts].0 == TDim::datum_type(),
                "counts are integers"
            );
        }
        let (batch, hidden) = (&heads.batch, heads.heads.to_dim());
        let fact = |output: &Output| match output {
            Output::Values if query.len() == 3 => {
                let width = heads.value_size.clone() * heads.query_heads;
                (*kind, tvec![batch.clone(), heads.queries.clone(), width])
            }
            Output::Values => {
                let each = [heads.query_heads.to_dim(), heads.queries.clone(), heads.value_size.clone()];
                (*kind, [batch.clone()].into_iter().chain(each).collect())
            }
            Output::PresentKey => {
                (*kind, tvec![batch.clone(), hidden.clone(), total.clone(), heads.size.to_dim()])
            }
            Output::PresentValue => {
                (*value_kind, tvec![batch.clone(), hidden.clone(), total.clone(), heads.value_size.clone()])
            }
            Output::Shown => {
                let each = [heads.query_heads.to_dim(), heads.queries.clone(), total.clone()];
                (*kind, [batch.clone()].into_iter().chain(each).collect())
            }
        };
        Ok(self.0.outputs.iter().map(fact).collect())
    }
}

impl Expansion for Attention {
    fn name(&self) -> StaticName {
        "Attention".into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.0.outputs.len())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        infer(s, inputs, outputs, tvec![], move |signatures, _| self.facts(signatures))
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let options = &self.0;
        let signatures = inputs.iter().map(|input| model.outlet_fact(*input));
        let signatures = signatures.map(|fact| fact.map(|fact| (fact.datum_type, fact.shape.to_tvec())));
        let signatures: TVec<Signature> = signatures.collect::<TractResult<_>>()?;
        self.facts(&signatures)?;
        let heads = self.heads([&signatures[0].1, &signatures[1].1, &signatures[2].1])?;
        let flat = signatures[0].1.len() == 3;
        let given = signatures[0].0;
        let kind = if options.double { f64::datum_type() } else { products::working_type(given) };

        let mut three = [inputs[0], inputs[1], inputs[2]];
        if flat {
            let counts = [heads.query_heads, heads.heads, heads.heads];
            for ((name, outlet), count) in ["query", "key", "value"].iter().zip(&mut three).zip(counts) {
                *outlet = apart(&format!("{prefix}.{name}_heads"), model, *outlet, count)?;
            }
        }
        let [query, mut key, mut value] = three;
        if let Some([past_key, past_value]) = options.past {
            for (name, past, new) in [("key", past_key, &mut key), ("value", past_value, &mut value)] {
                let both = [inputs[past], *new];
                *new = model.wire_node(format!("{prefix}.present_{name}"), TypedConcat::new(2), &both)?[0];
            }
        }
        let scores =
            products::scores(&format!("{prefix}.qk"), model, [query, key], &heads, (options.scale, kind))?;
        let is_shown = options.outputs.contains(&Output::Shown);
        let kernel = Weights {
            softcap: options.softcap,
            view: options.view.clone(),
            mask: options.mask.is_some(),
            short_mask: options.short_mask,
            past: options.past.is_some(),
            counts: options.counts.is_some(),
            shown: is_shown.then_some(options.stage),
        };
        let mut taken = tvec!(scores);
        let further = [options.mask, options.past.map(|past| past[0]), options.counts];
        taken.extend(further.iter().flatten().map(|slot| inputs[*slot]));
        let weights = wire(kernel, &format!("{prefix}.weights"), model, &taken)?;
        let mut values =
            products::values(&format!("{prefix}.pv"), model, [weights[0], value], &heads, (kind, given))?;
        if flat {
            values = together(&format!("{prefix}.flat"), model, values)?;
        }
        let mut made = tvec!();
        for output in &options.outputs {
            made.push(match output {
                Output::Values => values,
                Output::PresentKey => key,
                Output::PresentValue => value,
                Output::Shown => wire_cast(format!("{prefix}.shown"), model, &weights[1..], given)?[0],
            });
        }
        Ok(made)
    }
}

/// `[batch, length, heads·size]` as `[batch, heads, length, size]`.
fn apart(name: &str, model: &mut TypedModel, outlet: OutletId, heads: usize) -> TractResult<OutletId> {
    let width = model.outlet_fact(outlet)?.shape[2].clone();
    let each = tvec![heads.to_dim(), width.clone() / heads];
    let split =
        model.wire_node(format!("{name}.split"), AxisOp::Reshape(2, tvec![width], each), &[outlet])?;
    Ok(model.wire_node(format!("{name}.first"), AxisOp::Move(2, 1), &split)?[0])
}

/// The other way round.
fn together(name: &str, model: &mut TypedModel, outlet: OutletId) -> TractResult<OutletId> {
    let shape = model.outlet_fact(outlet)?.shape.to_tvec();
    let moved = model.wire_node(format!("{name}.last"), AxisOp::Move(1, 2), &[outlet])?;
    let (heads, size) = (shape[1].clone(), shape[3].clone());
    let width = tvec![heads.clone() * size.clone()];
    Ok(model.wire_node(format!("{name}.joined"), AxisOp::Reshape(2, tvec![heads, size], width), &moved)?[0])
}
