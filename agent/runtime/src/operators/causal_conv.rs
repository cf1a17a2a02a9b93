//! `CausalConvWithState` (ONNX 27): each channel's own filter over its present and earlier values, `[batch, channels,
//! length]`. The last values go along, `[batch, channels, filter - 1]`, as what precedes the next call's.

use tract_onnx::model::{ParsingContext, optional_inputs};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built, with_floats};

#[derive(Debug)]
struct CausalConv {
    bias: Option<usize>,
    past: Option<usize>,
    /// x / (1 + e^−x) of what comes out.
    silu: bool,
    outputs: usize,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let silu = match node.get_attr_opt::<&str>("activation")?.unwrap_or("none") {
        "none" => false,
        "silu" | "swish" => true,
        other => bail!("activation {other} is unknown"),
    };
    let mut places = optional_inputs(node).skip(2);
    let mut next = || places.next().flatten();
    let (bias, past) = (next(), next());
    ensure!(
        node.output.first().is_some_and(|name| !name.is_empty()),
        "CausalConvWithState without its first output"
    );
    let outputs = node.output.iter().filter(|name| !name.is_empty()).count();
    built(CausalConv { bias, past, silu, outputs })
}

impl Kernel for CausalConv {
    fn name(&self) -> &'static str {
        "CausalConvWithState"
    }

    fn arity(&self) -> (usize, usize) {
        let count = 2 + [self.bias, self.past].iter().flatten().count();
        (count, count)
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let [(kind, x), (_, weight), ..] = inputs else { bail!("CausalConvWithState without its inputs") };
        ensure!(
            kind.is_float() && inputs.iter().all(|(other, _)| other == kind),
            "CausalConvWithState takes floating point numbers of one type"
        );
        ensure!(
            x.len() == 3 && weight.len() == 3 && weight[0] == x[1] && weight[1].is_one(),
            "filters of shape {weight:?} for an input of {x:?}"
        );
        ensure!(weight[2] != 0.to_dim(), "filters of length 0");
        ensure!(self.bias.is_none_or(|bias| inputs[bias].1[..] == x[1..2]), "not one bias for each channel");
        let state = tvec![x[0].clone(), x[1].clone(), weight[2].clone() - 1];
        ensure!(
            self.past.is_none_or(|past| inputs[past].1 == state),
            "a past state that is not of shape {state:?}"
        );
        Ok([(*kind, x.clone()), (*kind, state)].into_iter().take(self.outputs).collect())
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (&[batch, channels, length], &[_, _, taps]) = (inputs[0].shape(), inputs[1].shape()) else {
            bail!("input and filters have 3 dimensions")
        };
        let before = taps.checked_sub(1).context("filters of length 0")?;
        let floats = |tensor: &Tensor| with_floats(tensor, |values| Ok(values.to_vec()));
        let of = |input: Option<usize>| input.map(|input| floats(inputs[input])).transpose();
        let (bias, past) = (of(self.bias)?, of(self.past)?);
        let (mut output, weight) = (floats(inputs[0])?, floats(inputs[1])?);
        let mut state = vec![0.0; batch * channels * before];
        let mut row = vec![0.0; before + length];
        for place in 0..batch * channels {
            let (channel, seen) = (place % channels, &mut output[place * length..][..length]);
            match &past {
                Some(past) => row[..before].copy_from_slice(&past[place * before..][..before]),
                None => row[..before].fill(0.0),
            }
            row[before..].copy_from_slice(seen);
            state[place * before..][..before].copy_from_slice(&row[length..]);
            seen.fill(bias.as_ref().map_or(0.0, |bias| bias[channel]));
            for (at, factor) in weight[channel * taps..][..taps].iter().enumerate() {
                seen.iter_mut().zip(&row[at..]).for_each(|(sum, x)| *sum += factor * x);
            }
            if self.silu {
                seen.iter_mut().for_each(|x| *x /= 1.0 + (-*x).exp());
            }
        }
        let kind = inputs[0].datum_type();
        let output = crate::convert::tensor(inputs[0].shape(), output)?.cast_to_dt(kind)?.into_owned();
        let state = crate::convert::tensor(&[batch, channels, before], state)?.cast_to_dt(kind)?.into_owned();
        Ok([output, state].into_iter().take(self.outputs).collect())
    }
}
