//! `RoiAlign` (ONNX 10, 16) and `DeformConv` (ONNX 19): what read pictures between their pixels.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::ints;
use super::kernel::{Built, Kernel, Signature, built};
use super::values::{doubles, integers, of_doubles};

/// Most samples of a bin along an axis: a region may be of any size.
const MOST_SAMPLES: f64 = 256.0;

/// Regions [count, 4] of pictures [batch, channels, height, width], each as bins [channels, rows, columns].
#[derive(Debug)]
struct RoiAlign {
    rows: usize,
    columns: usize,
    /// Samples of a bin along an axis; as many as there are pixels where 0.
    samples: usize,
    scale: f64,
    half_pixel: bool,
    largest: bool,
}

pub(super) fn build_regions(context: &ParsingContext, node: &NodeProto) -> Built {
    let number = |name, default| -> TractResult<usize> { Ok(node.get_attr_opt(name)?.unwrap_or(default)) };
    let (rows, columns) = (number("output_height", 1)?, number("output_width", 1)?);
    let samples = number("sampling_ratio", 0)?;
    ensure!(rows > 0 && columns > 0 && samples as f64 <= MOST_SAMPLES, "bins of nothing or without end");
    let half_pixel = match node.get_attr_opt::<&str>("coordinate_transformation_mode")? {
        Some("half_pixel") => true,
        Some("output_half_pixel") => false,
        None => context.onnx_operator_set_version >= 16,
        Some(other) => bail!("its coordinate_transformation_mode {other} is unknown"),
    };
    let largest = match node.get_attr_opt::<&str>("mode")?.unwrap_or("avg") {
        "avg" => false,
        "max" => true,
        other => bail!("its mode {other} is unknown"),
    };
    let scale = f64::from(node.get_attr_opt::<f32>("spatial_scale")?.unwrap_or(1.0));
    built(RoiAlign { rows, columns, samples, scale, half_pixel, largest })
}

/// The four pixels around a place of a picture, each with its weight.
fn corners(y: f64, x: f64) -> [(f64, f64, f64); 4] {
    let (top, left) = (y.floor(), x.floor());
    let (down, right) = (y - top, x - left);
    [
        (top, left, (1.0 - down) * (1.0 - right)),
        (top, left + 1.0, (1.0 - down) * right),
        (top + 1.0, left, down * (1.0 - right)),
        (top + 1.0, left + 1.0, down * right),
    ]
}

impl Kernel for RoiAlign {
    fn name(&self) -> &'static str {
        "RoiAlign"
    }

    fn arity(&self) -> (usize, usize) {
        (3, 3)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (kind, pictures) = &inputs[0];
        let [_, channels, _, _] = &pictures[..] else { bail!("no pictures") };
        let [count, _] = &inputs[1].1[..] else { bail!("no regions") };
        ensure!(inputs[1].1[1] == 4.to_dim() && inputs[2].1.len() == 1, "no regions of pictures");
        let shape = tvec![count.clone(), channels.clone(), self.rows.to_dim(), self.columns.to_dim()];
        Ok(tvec![(*kind, shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let [batch, channels, height, width] = *inputs[0].shape() else { bail!("no pictures") };
        let (pixels, regions) = (doubles(inputs[0])?, doubles(inputs[1])?);
        let pictures = integers(inputs[2])?;
        ensure!(pictures.len() * 4 == regions.len(), "not one picture for each region");
        ensure!(height > 0 && width > 0, "pictures without pixels");
        let mut found = Vec::new();
        for (region, picture) in regions.as_chunks::<4>().0.iter().zip(&pictures) {
            let picture = usize::try_from(*picture).ok().filter(|picture| *picture < batch);
            let picture = picture.context("a region of a picture that is not there")?;
            let offset = if self.half_pixel { 0.5 } else { 0.0 };
            let [left, top, right, bottom] = region.map(|place| place * self.scale - offset);
            let least = if self.half_pixel { f64::NEG_INFINITY } else { 1.0 };
            let bin = (
                (bottom - top).max(least) / self.rows as f64,
                (right - left).max(least) / self.columns as f64,
            );
            let samples = |length: f64| {
                let samples = if self.samples > 0 { self.samples as f64 } else { length.ceil() };
                (samples <= MOST_SAMPLES).then_some(samples.max(0.0) as usize)
            };
            let count = samples(bin.0).zip(samples(bin.1)).context("a region that is too large")?;
            for channel in 0..channels {
                let plane = &pixels[(picture * channels + channel) * height * width..][..height * width];
                for (row, column) in (0..self.rows).flat_map(|row| (0..self.columns).map(move |c| (row, c))) {
                    let places = (0..count.0).flat_map(|down| (0..count.1).map(move |right| (down, right)));
                    let samples = places.map(|(down, right)| {
                        let along = |start: f64, bin: f64, number: usize, inside: usize, count: usize| {
                            start + bin * (number as f64 + (inside as f64 + 0.5) / count as f64)
                        };
                        let y = along(top, bin.0, row, down, count.0);
                        let x = along(left, bin.1, column, right, count.1);
                        self.sample(plane, (height, width), y, x)
                    });
                    found.push(if self.largest {
                        samples.reduce(f64::max).unwrap_or(0.0)
                    } else {
                        samples.sum::<f64>() / (count.0 * count.1).max(1) as f64
                    });
                }
            }
        }
        let shape = [pictures.len(), channels, self.rows, self.columns];
        Ok(tvec![of_doubles(inputs[0].datum_type(), &shape, found)?])
    }
}

impl RoiAlign {
    /// The weighted sum of the four pixels, or the largest of their weighted values.
    fn sample(&self, plane: &[f64], (height, width): (usize, usize), y: f64, x: f64) -> f64 {
        let is_outside = |at: f64, length: usize| !(-1.0..=length as f64).contains(&at);
        if is_outside(y, height) || is_outside(x, width) {
            return 0.0;
        }
        let inside = |at: f64, length: usize| at.clamp(0.0, (length - 1) as f64);
        let weighted = corners(inside(y, height), inside(x, width)).map(|(y, x, weight)| {
            weight * plane[inside(y, height) as usize * width + inside(x, width) as usize]
        });
        if self.largest {
            weighted.into_iter().fold(f64::NEG_INFINITY, f64::max)
        } else {
            weighted.into_iter().sum()
        }
    }
}

/// A convolution that reads each of its elements at an offset. Takes pictures, weights, offsets [batch, groups × window ×
/// 2, height, width], and maybe a bias and a mask, by which places they are told.
#[derive(Debug)]
struct DeformConv {
    strides: Vec<i64>,
    dilations: Vec<i64>,
    pads: Vec<i64>,
    groups: usize,
    offset_groups: usize,
    bias: Option<usize>,
    mask: Option<usize>,
}

pub(super) fn build_deformed(_: &ParsingContext, node: &NodeProto) -> Built {
    let mut optional = tract_onnx::model::optional_inputs(node).skip(3);
    let number = |name| -> TractResult<usize> { Ok(node.get_attr_opt(name)?.unwrap_or(1)) };
    let (groups, offset_groups) = (number("group")?, number("offset_group")?);
    ensure!(groups > 0 && offset_groups > 0, "no groups");
    built(DeformConv {
        strides: ints(node, "strides")?,
        dilations: ints(node, "dilations")?,
        pads: ints(node, "pads")?,
        groups,
        offset_groups,
        bias: optional.next().flatten(),
        mask: optional.next().flatten(),
    })
}

impl Kernel for DeformConv {
    fn name(&self) -> &'static str {
        "DeformConv"
    }

    fn arity(&self) -> (usize, usize) {
        (3, 5)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (kind, pictures) = &inputs[0];
        let [batch, channels, _, _] = &pictures[..] else { bail!("only pictures are convolved") };
        let [filters, depth, rows, columns] = &inputs[1].1[..] else { bail!("no weights") };
        let [_, offsets, height, width] = &inputs[2].1[..] else { bail!("no offsets") };
        let number = |dim: &TDim| dim.to_usize();
        let window = number(rows)?.checked_mul(number(columns)?).context("a window without end")?;
        let (channels, filter_count) = (number(channels)?, number(filters)?);
        ensure!(
            number(depth)?.checked_mul(self.groups) == Some(channels)
                && filter_count.is_multiple_of(self.groups)
                && channels.is_multiple_of(self.offset_groups)
                && window.checked_mul(2 * self.offset_groups) == Some(number(offsets)?),
            "channels, weights and offsets of {channels}, {:?} and {offsets}",
            inputs[1].1
        );
        let masks =
            tvec![batch.clone(), (window * self.offset_groups).to_dim(), height.clone(), width.clone()];
        ensure!(self.mask.is_none_or(|mask| inputs[mask].1 == masks), "not one mask for each offset");
        ensure!(
            self.bias.is_none_or(|bias| *inputs[bias].1 == [filters.clone()]),
            "not one bias for each filter"
        );
        Ok(tvec![(*kind, tvec![batch.clone(), filters.clone(), height.clone(), width.clone()])])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let [batch, channels, height, width] = *inputs[0].shape() else { bail!("no pictures") };
        let [filters, depth, rows, columns] = *inputs[1].shape() else { bail!("no weights") };
        let (to_height, to_width) = (inputs[2].shape()[2], inputs[2].shape()[3]);
        ensure!(inputs[2].shape()[0] == batch, "not one offset for each picture");
        let (pixels, weights, offsets) = (doubles(inputs[0])?, doubles(inputs[1])?, doubles(inputs[2])?);
        let optional = |slot: Option<usize>| slot.map(|slot| doubles(inputs[slot])).transpose();
        let (bias, mask) = (optional(self.bias)?, optional(self.mask)?);
        let (window, area) = (rows * columns, to_height * to_width);
        let of_axis =
            |list: &[i64], axis: usize, default: i64| list.get(axis).copied().unwrap_or(default) as f64;
        let mut found = vec![0.0; batch * filters * area];
        let mut column = vec![0.0; channels * window];
        for (picture, place) in (0..batch).flat_map(|picture| (0..area).map(move |place| (picture, place))) {
            for (slot, value) in column.iter_mut().enumerate() {
                let (channel, inside) = (slot / window, slot % window);
                let group = channel / (channels / self.offset_groups);
                let tap = (picture * self.offset_groups + group) * window + inside;
                let along = |axis: usize, step: usize, inside: usize| {
                    step as f64 * of_axis(&self.strides, axis, 1) - of_axis(&self.pads, axis, 0)
                        + inside as f64 * of_axis(&self.dilations, axis, 1)
                        + offsets[(2 * tap + axis) * area + place]
                };
                let y = along(0, place / to_width, inside / columns);
                let x = along(1, place % to_width, inside % columns);
                let plane = &pixels[(picture * channels + channel) * height * width..][..height * width];
                let pixel = |(y, x, weight): (f64, f64, f64)| {
                    let is_inside = |at: f64, length: usize| at >= 0.0 && at < length as f64;
                    if is_inside(y, height) && is_inside(x, width) {
                        weight * plane[y as usize * width + x as usize]
                    } else {
                        0.0
                    }
                };
                let read: f64 = corners(y, x).into_iter().map(pixel).sum();
                *value = read * mask.as_ref().map_or(1.0, |mask| mask[tap * area + place]);
            }
            for filter in 0..filters {
                let from = filter / (filters / self.groups) * depth * window;
                let taken = column[from..from + depth * window].iter();
                let sum: f64 = taken.zip(&weights[filter * depth * window..]).map(|(x, w)| x * w).sum();
                let bias = bias.as_ref().map_or(0.0, |bias| bias[filter]);
                found[(picture * filters + filter) * area + place] = sum + bias;
            }
        }
        let shape = [batch, filters, to_height, to_width];
        Ok(tvec![of_doubles(inputs[0].datum_type(), &shape, found)?])
    }
}
