//! `TensorScatter` (ONNX 24): a cache with new entries written into it along an axis, for each sequence of the batch
//! at an index of its own.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};

#[derive(Debug)]
struct TensorScatter {
    axis: i64,
    /// Behind the end comes the start.
    circular: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let circular = match node.get_attr_opt::<&str>("mode")?.unwrap_or("linear") {
        "linear" => false,
        "circular" => true,
        other => bail!("mode {other} is unknown"),
    };
    built(TensorScatter { axis: node.get_attr_opt("axis")?.unwrap_or(-2), circular })
}

impl TensorScatter {
    /// The axis of `rank`; the first is the batch and cannot be it.
    fn axis(&self, rank: usize) -> TractResult<usize> {
        let axis = if self.axis < 0 { self.axis.checked_add(rank as i64) } else { Some(self.axis) };
        let axis = axis.and_then(|axis| usize::try_from(axis).ok()).filter(|axis| (1..rank).contains(axis));
        axis.with_context(|| format!("axis {} of {rank} dimensions", self.axis))
    }
}

impl Kernel for TensorScatter {
    fn name(&self) -> &'static str {
        "TensorScatter"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 3)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let [cache, update, ..] = inputs else { bail!("TensorScatter without its inputs") };
        let axis = self.axis(cache.1.len())?;
        ensure!(cache.0 == update.0, "entries of type {:?} for a cache of {:?}", update.0, cache.0);
        let mut like = cache.1.clone();
        ensure!(update.1.len() == like.len(), "entries of {} dimensions", update.1.len());
        like[axis] = update.1[axis].clone();
        ensure!(update.1 == like, "entries of shape {:?} for a cache of {:?}", update.1, cache.1);
        if let Some((kind, shape)) = inputs.get(2) {
            let is_one_each = shape[..] == cache.1[..1];
            ensure!(*kind != String::datum_type() && is_one_each, "not one index for each sequence");
        }
        Ok(tvec![cache.clone()])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let [cache, update, ..] = inputs else { bail!("TensorScatter without its inputs") };
        let axis = self.axis(cache.rank())?;
        let (most, count) = (cache.shape()[axis], update.shape()[axis]);
        ensure!(count <= most, "{count} entries for a cache of {most}");
        let indices = inputs.get(2).map(|indices| indices.cast_to::<i64>()).transpose()?;
        let indices = indices.as_ref().map(|indices| indices.try_as_plain_ram()).transpose()?;
        let indices = indices.as_ref().map(|indices| indices.as_slice::<i64>()).transpose()?;
        let mut made = (*cache).clone();
        for sequence in 0..if count == 0 { 0 } else { cache.shape()[0] } {
            let given = indices.map_or(Some(0), |indices| indices.get(sequence).copied());
            let given = given.context("fewer indices than sequences")?;
            let wrapped = if self.circular { given.rem_euclid(most as i64) } else { given };
            let start = usize::try_from(wrapped).ok().filter(|start| self.circular || most - count >= *start);
            let start = start.with_context(|| format!("{count} entries at {given} of {most}"))?;
            let (at, first) = ([sequence], count.min(most - start));
            made.assign_slice_at_prefix(&at, start..start + first, update, &at, 0..first, axis)?;
            made.assign_slice_at_prefix(&at, 0..count - first, update, &at, first..count, axis)?;
        }
        Ok(tvec![made])
    }
}
