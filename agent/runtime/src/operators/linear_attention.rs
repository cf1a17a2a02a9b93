//! `LinearAttention` (ONNX 27): a state of `[size, value size]` for each head, which every token decays, corrects and
//! adds to, and every query reads.

use tract_onnx::model::{ParsingContext, optional_inputs};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built, with_floats};

#[derive(Debug)]
struct LinearAttention {
    query_heads: usize,
    heads: usize,
    /// 1/√size where it is zero.
    scale: f32,
    past: Option<usize>,
    decay: Option<usize>,
    /// The rate of what replaces, rather than adds to, what the state gives for a key.
    beta: Option<usize>,
    outputs: usize,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let heads = |name: &str| {
        let count = node.get_attr::<i64>(name)?;
        usize::try_from(count).ok().filter(|count| *count > 0).with_context(|| format!("{name} is {count}"))
    };
    let (query_heads, heads) = (heads("q_num_heads")?, heads("kv_num_heads")?);
    ensure!(query_heads.is_multiple_of(heads), "{query_heads} query heads for {heads} key heads");
    let mut places = optional_inputs(node).skip(3);
    let mut next = || places.next().flatten();
    let (past, decay, beta) = (next(), next(), next());
    let rule = node.get_attr_opt::<&str>("update_rule")?.unwrap_or("gated_delta");
    let (decays, corrects) = match rule {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => bail!("update_rule {other} is unknown"),
    };
    ensure!(
        decay.is_some() == decays && beta.is_some() == corrects,
        "the inputs decay and beta do not fit the rule {rule}"
    );
    let outputs = node.output.iter().filter(|name| !name.is_empty()).count();
    ensure!(
        node.output.first().is_some_and(|name| !name.is_empty()),
        "LinearAttention without its first output"
    );
    let scale = node.get_attr_opt("scale")?.unwrap_or(0.0);
    built(LinearAttention { query_heads, heads, scale, past, decay, beta, outputs })
}

impl LinearAttention {
    /// Width of each of `heads` in a row of them.
    fn width(dim: &TDim, heads: usize) -> TractResult<usize> {
        let width = dim.to_usize().ok().filter(|width| width.is_multiple_of(heads) && *width > 0);
        Ok(width.with_context(|| format!("{heads} heads cannot share a width of {dim}"))? / heads)
    }

    fn sizes(&self, query: &TDim, value: &TDim) -> TractResult<(usize, usize)> {
        Ok((Self::width(query, self.query_heads)?, Self::width(value, self.heads)?))
    }
}

impl Kernel for LinearAttention {
    fn name(&self) -> &'static str {
        "LinearAttention"
    }

    fn arity(&self) -> (usize, usize) {
        let count = 3 + [self.past, self.decay, self.beta].iter().flatten().count();
        (count, count)
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let [(kind, query), (_, key), (_, value), ..] = inputs else {
            bail!("LinearAttention without its inputs")
        };
        ensure!(
            inputs.iter().all(|(kind, _)| kind.is_float()),
            "LinearAttention takes floating point numbers"
        );
        let mut rows = inputs.iter().enumerate().filter(|(index, _)| Some(*index) != self.past);
        ensure!(
            rows.all(|(_, (_, shape))| shape.len() == 3 && shape[..2] == query[..2]),
            "LinearAttention takes rows of one batch and one length"
        );
        let (size, value_size) = self.sizes(&query[2], &value[2])?;
        ensure!(Self::width(&key[2], self.heads)? == size, "keys and queries of another size");
        let is_one_of = |input: Option<usize>, widths: [usize; 2]| {
            input.is_none_or(|input| widths.iter().any(|width| inputs[input].1[2] == width.to_dim()))
        };
        ensure!(
            is_one_of(self.decay, [self.heads, self.heads * size]) && is_one_of(self.beta, [self.heads, 1]),
            "decay or beta have a width that fits no head"
        );
        let state = tvec![query[0].clone(), self.heads.to_dim(), size.to_dim(), value_size.to_dim()];
        ensure!(
            self.past.is_none_or(|past| inputs[past].1 == state),
            "a past state that is not of shape {state:?}"
        );
        let width = self.query_heads.to_dim() * value_size;
        let state_kind = self.past.map_or(*kind, |past| inputs[past].0);
        let output = (*kind, tvec![query[0].clone(), query[1].clone(), width]);
        Ok([output, (state_kind, state)].into_iter().take(self.outputs).collect())
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let &[batch, length, _] = inputs[0].shape() else { bail!("queries have 3 dimensions") };
        let (size, value_size) =
            self.sizes(&inputs[0].shape()[2].to_dim(), &inputs[2].shape()[2].to_dim())?;
        let floats = |tensor: &Tensor| with_floats(tensor, |values| Ok(values.to_vec()));
        let of = |input: Option<usize>| input.map(|input| floats(inputs[input])).transpose();
        let (decay, beta) = (of(self.decay)?, of(self.beta)?);
        let states = batch * self.heads;
        let mut state = of(self.past)?.unwrap_or_else(|| vec![0.0; states * size * value_size]);
        let group = self.query_heads / self.heads;
        let scale = if self.scale == 0.0 { (size as f32).sqrt().recip() } else { self.scale };
        let mut output = vec![0.0; batch * length * self.query_heads * value_size];
        let (mut written, query, key, value) =
            (vec![0.0; value_size], floats(inputs[0])?, floats(inputs[1])?, floats(inputs[2])?);
        for (index, state) in state.chunks_exact_mut(size * value_size).enumerate() {
            let (sequence, head) = (index / self.heads, index % self.heads);
            for token in sequence * length..(sequence + 1) * length {
                let place = token * self.heads + head;
                let key = &key[place * size..][..size];
                if let Some(decay) = &decay {
                    let one = decay.len() == batch * length * self.heads;
                    for (at, row) in state.chunks_exact_mut(value_size).enumerate() {
                        let factor = decay[if one { place } else { place * size + at }].exp();
                        row.iter_mut().for_each(|x| *x *= factor);
                    }
                }
                written.copy_from_slice(&value[place * value_size..][..value_size]);
                if let Some(beta) = &beta {
                    let shared = beta.len() == batch * length;
                    let rate = beta[if shared { token } else { place }];
                    state.chunks_exact(value_size).zip(key).for_each(|(row, k)| add(&mut written, -k, row));
                    written.iter_mut().for_each(|x| *x *= rate);
                }
                state.chunks_exact_mut(value_size).zip(key).for_each(|(row, k)| add(row, *k, &written));
                for reader in place * group..(place + 1) * group {
                    let read = &mut output[reader * value_size..][..value_size];
                    let query = &query[reader * size..][..size];
                    state.chunks_exact(value_size).zip(query).for_each(|(row, q)| add(read, q * scale, row));
                }
            }
        }
        let state_kind = self.past.map_or(inputs[0].datum_type(), |past| inputs[past].datum_type());
        let shape = [batch, length, self.query_heads * value_size];
        let output = crate::convert::tensor(&shape, output)?.cast_to_dt(inputs[0].datum_type())?.into_owned();
        let state = crate::convert::tensor(&[batch, self.heads, size, value_size], state)?;
        let state = state.cast_to_dt(state_kind)?.into_owned();
        Ok([output, state].into_iter().take(self.outputs).collect())
    }
}

/// Adds `factor` times `row` to `sum`.
fn add(sum: &mut [f32], factor: f32, row: &[f32]) {
    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
}
