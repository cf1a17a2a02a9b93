//! What `QuantizeLinear` and `DequantizeLinear` have in common: how scales and zero points spread over a tensor.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

/// Where scales differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granularity {
    axis: i64,
    /// Elements along the axis that share a scale; 0 where there is one for each place of the axis.
    block: usize,
}

impl Granularity {
    pub(super) fn read(node: &NodeProto) -> TractResult<Self> {
        let block = node.get_attr_opt::<i64>("block_size")?.unwrap_or(0);
        Ok(Self {
            axis: node.get_attr_opt("axis")?.unwrap_or(1),
            block: usize::try_from(block).with_context(|| format!("block_size {block}"))?,
        })
    }

    /// Calls `each` with runs of elements, as their range, and the places of their scales: that of the first one and
    /// the distance to the next element's.
    pub(super) fn visit(
        self,
        shape: &[usize],
        scales: &[usize],
        mut each: impl FnMut(std::ops::Range<usize>, usize, usize),
    ) -> TractResult<()> {
        let volume: usize = shape.iter().product();
        if scales.iter().product::<usize>() == 1 {
            each(0..volume, 0, 0);
            return Ok(());
        }
        let rank = shape.len() as i64;
        let axis = if self.axis < 0 { self.axis.saturating_add(rank) } else { self.axis };
        let axis = usize::try_from(axis).ok().filter(|axis| *axis < shape.len());
        let axis = axis.with_context(|| format!("axis {} of {rank} dimensions", self.axis))?;
        let (length, inner): (usize, usize) = (shape[axis], shape[axis + 1..].iter().product());
        let blocks = if self.block == 0 { length } else { length.div_ceil(self.block) };
        let fits = if self.block == 0 {
            scales == [length]
        } else {
            scales.len() == shape.len()
                && scales[axis] == blocks
                && scales[..axis] == shape[..axis]
                && scales[axis + 1..] == shape[axis + 1..]
        };
        ensure!(fits, "scales of shape {scales:?} for {shape:?}, axis {axis}, block_size {}", self.block);
        if volume == 0 {
            return Ok(());
        }
        for (run, start) in (0..volume).step_by(inner).enumerate() {
            let (outer, place) = (run / length, run % length);
            let elements = start..start + inner;
            match self.block {
                0 => each(elements, place, 0),
                block => each(elements, (outer * blocks + place / block) * inner, 1),
            }
        }
        Ok(())
    }
}

/// Numbers of zero points in single precision, which holds them: they are of at most 16 bits.
pub(super) fn zero_points(tensor: Option<&&Tensor>, scales: &Tensor) -> TractResult<Option<Tensor>> {
    let Some(tensor) = tensor else { return Ok(None) };
    ensure!(tensor.len() == scales.len(), "{} zero points for {} scales", tensor.len(), scales.len());
    Ok(Some(tensor.cast_to::<f32>()?.into_owned()))
}
