//! Elements by another order: `Pad` of mode `wrap` (ONNX 19), `SpaceToDepth` of mode `CRD` (ONNX 28).

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};
use super::values::{coordinates, flat, gathered, integers, lengths, resolve_axis};

/// Takes a tensor, how much is put before and after each axis, and maybe at the place that is told which axes those are.
#[derive(Debug)]
struct PadWrap {
    axes: Option<usize>,
}

pub(super) fn build_pad(_: &ParsingContext, node: &NodeProto) -> Built {
    built(PadWrap { axes: tract_onnx::model::optional_inputs(node).nth(3).flatten() })
}

/// How much is put before and after each of all axes.
fn pads(rank: usize, pads: &Tensor, axes: Option<&Tensor>) -> TractResult<Vec<(usize, usize)>> {
    let pads = lengths(pads).context("paddings below zero are not cut away in mode wrap")?;
    let axes = axes.map_or(Ok((0..rank as i64).collect()), integers)?;
    ensure!(pads.len() == 2 * axes.len(), "{} paddings for {} axes", pads.len(), axes.len());
    let mut all = vec![(0, 0); rank];
    for (axis, (before, after)) in axes.iter().zip(pads.iter().zip(&pads[axes.len()..])) {
        all[resolve_axis(*axis, rank)?] = (*before, *after);
    }
    Ok(all)
}

impl Kernel for PadWrap {
    fn name(&self) -> &'static str {
        "PadWrap"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 4)
    }

    fn deciding(&self) -> TVec<usize> {
        [1].into_iter().chain(self.axes).collect()
    }

    fn facts_by(&self, inputs: &[Signature], values: &[Arc<Tensor>]) -> TractResult<TVec<Signature>> {
        let (kind, shape) = &inputs[0];
        let pads = pads(shape.len(), &values[0], values.get(1).map(|axes| &**axes))?;
        let padded = |(dim, (before, after)): (&TDim, (usize, usize))| dim.clone() + before + after;
        Ok(tvec![(*kind, shape.iter().zip(pads).map(padded).collect())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let from = inputs[0].shape();
        let pads = pads(from.len(), inputs[1], self.axes.map(|axes| inputs[axes]))?;
        let padded = |(length, (before, after)): (&usize, &(usize, usize))| {
            length.checked_add(*before)?.checked_add(*after).filter(|padded| *length > 0 || *padded == 0)
        };
        let shape = from.iter().zip(&pads).map(padded).collect::<Option<TVec<usize>>>();
        let shape = shape.context("nothing to go around")?;
        let source = |n: usize| {
            let mut place = coordinates(n, &shape);
            for ((place, (before, _)), length) in place.iter_mut().zip(&pads).zip(from) {
                *place = (*place + (length - before % length)) % length;
            }
            Some(flat(&place, from))
        };
        Ok(tvec![gathered(inputs[0], &shape, &source)?])
    }
}

/// [batch, channels, height, width] to blocks: a channel's block stays together.
#[derive(Debug)]
struct SpaceToDepth {
    block: usize,
}

pub(super) fn build_space_to_depth(_: &ParsingContext, node: &NodeProto) -> Built {
    let block = node.get_attr::<usize>("blocksize")?;
    ensure!(block > 0 && block.checked_mul(block).is_some(), "blocks of {block}");
    built(SpaceToDepth { block })
}

impl Kernel for SpaceToDepth {
    fn name(&self) -> &'static str {
        "SpaceToDepth"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let [batch, channels, height, width] = &inputs[0].1[..] else { bail!("no pictures") };
        let blocks = |dim: &TDim| -> TractResult<TDim> {
            let length = dim.to_usize()?;
            ensure!(length.is_multiple_of(self.block), "blocks of {} in {length}", self.block);
            Ok((length / self.block).to_dim())
        };
        let channels = channels.clone() * (self.block * self.block);
        Ok(tvec![(inputs[0].0, tvec![batch.clone(), channels, blocks(height)?, blocks(width)?])])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let [batch, channels, height, width] = *inputs[0].shape() else { bail!("no pictures") };
        let (block, size) = (self.block, self.block * self.block);
        let shape = [batch, channels * size, height / block, width / block];
        let source = |n: usize| {
            let place = coordinates(n, &shape);
            let (channel, inside) = (place[1] / size, place[1] % size);
            let at =
                [place[0], channel, place[2] * block + inside / block, place[3] * block + inside % block];
            Some(flat(&at, &[batch, channels, height, width]))
        };
        Ok(tvec![gathered(inputs[0], &shape, &source)?])
    }
}
