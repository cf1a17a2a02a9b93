//! `AffineGrid` (ONNX 20): for each place of a picture or a volume, where an affine map takes it from.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};
use super::values::{coordinates, doubles, lengths, of_doubles};

/// Takes maps [batch, axes, axes + 1] and the lengths [batch, channels, …], gives [batch, …, axes], the last axis first
/// as `GridSample` has it. −1 and 1 are the middles of the outermost elements, or else their outer edges.
#[derive(Debug)]
struct AffineGrid {
    align_corners: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    built(AffineGrid { align_corners: node.get_attr_opt::<i64>("align_corners")?.unwrap_or(0) != 0 })
}

fn shape(maps: &[TDim], size: &Tensor) -> TractResult<TVec<usize>> {
    let size = lengths(size)?;
    let axes = size.len().saturating_sub(2);
    ensure!(
        (2..=3).contains(&axes) && *maps == [size[0].to_dim(), axes.to_dim(), (axes + 1).to_dim()],
        "maps of shape {maps:?} for a size of {size:?}"
    );
    Ok(size[..1].iter().chain(&size[2..]).copied().chain([axes]).collect())
}

impl Kernel for AffineGrid {
    fn name(&self) -> &'static str {
        "AffineGrid"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 2)
    }

    fn deciding(&self) -> TVec<usize> {
        tvec![1]
    }

    fn facts_by(&self, inputs: &[Signature], values: &[Arc<Tensor>]) -> TractResult<TVec<Signature>> {
        let shape = shape(&inputs[0].1, &values[0])?;
        Ok(tvec![(inputs[0].0, shape.iter().map(|length| length.to_dim()).collect())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let maps: TVec<TDim> = inputs[0].shape().iter().map(|length| length.to_dim()).collect();
        let shape = shape(&maps, inputs[1])?;
        let axes = shape.len() - 2;
        let maps = doubles(inputs[0])?;
        let numbers = (0..shape.iter().product()).map(|n| {
            let place = coordinates(n, &shape);
            let map = &maps[(place[0] * axes + place[axes + 1]) * (axes + 1)..][..=axes];
            let along = |axis: usize| {
                let (place, length) = (place[axis + 1] as f64, shape[axis + 1] as f64);
                if self.align_corners {
                    2.0 * place / (length - 1.0) - 1.0
                } else {
                    (2.0 * place + 1.0) / length - 1.0
                }
            };
            (0..axes).rev().map(along).zip(map).map(|(at, factor)| at * factor).sum::<f64>() + map[axes]
        });
        Ok(tvec![of_doubles(inputs[0].datum_type(), &shape, numbers.collect())?])
    }
}
