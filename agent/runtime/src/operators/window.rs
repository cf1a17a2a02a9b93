//! Windows that slide over the axes behind batch and channels: `LpPool` (ONNX 22) and `Col2Im` (ONNX 18).

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::ints;
use super::kernel::{Built, Kernel, Signature, built};
use super::values::{coordinates, doubles, flat, lengths, of_doubles};

/// Longest window, stride and padding along an axis: products of two of them are numbers everywhere.
const LONGEST: usize = 1 << 15;
/// Most elements of a window.
const MOST: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Padding {
    Given,
    /// As much as gives one output for each stride; what is odd is more at the end, or else at the beginning.
    Same {
        upper: bool,
    },
}

/// How a window moves. Strides and dilations are 1 and paddings 0 where they are not given.
#[derive(Debug)]
struct Steps {
    strides: Vec<usize>,
    dilations: Vec<usize>,
    pads: Vec<usize>,
    padding: Padding,
    ceil: bool,
}

/// The same along one axis.
struct Axis {
    length: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    count: usize,
}

impl Steps {
    fn read(node: &NodeProto) -> TractResult<Self> {
        let list = |name: &str, least: usize| -> TractResult<Vec<usize>> {
            let number = |number: i64| {
                usize::try_from(number).ok().filter(|number| (least..=LONGEST).contains(number))
            };
            let numbers = ints(node, name)?.into_iter().map(number).collect::<Option<_>>();
            numbers.with_context(|| format!("{name} are below {least} or above {LONGEST}"))
        };
        let (padding, pads) = match node.get_attr_opt::<&str>("auto_pad")?.unwrap_or("NOTSET") {
            "NOTSET" => (Padding::Given, list("pads", 0)?),
            "VALID" => (Padding::Given, vec![]),
            "SAME_UPPER" => (Padding::Same { upper: true }, vec![]),
            "SAME_LOWER" => (Padding::Same { upper: false }, vec![]),
            other => bail!("its auto_pad {other} is unknown"),
        };
        Ok(Self {
            strides: list("strides", 1)?,
            dilations: list("dilations", 1)?,
            pads,
            padding,
            ceil: node.get_attr_opt::<i64>("ceil_mode")?.unwrap_or(0) != 0,
        })
    }

    /// How a window of these lengths moves over these axes.
    fn over(&self, lengths: &[usize], kernel: &[usize]) -> TractResult<TVec<Axis>> {
        let volume = kernel.iter().try_fold(1_usize, |volume, length| volume.checked_mul(*length));
        ensure!(
            kernel.iter().all(|length| (1..=LONGEST).contains(length)) && volume.is_some_and(|v| v <= MOST),
            "a window of {kernel:?}"
        );
        let fits = |list: &[usize], times: usize| list.is_empty() || list.len() == times * lengths.len();
        ensure!(
            kernel.len() == lengths.len()
                && fits(&self.strides, 1)
                && fits(&self.dilations, 1)
                && fits(&self.pads, 2),
            "a window of {} axes over {}",
            kernel.len(),
            lengths.len()
        );
        lengths
            .iter()
            .zip(kernel)
            .enumerate()
            .map(|(axis, (length, kernel))| {
                let at = |list: &[usize], index: usize, default| list.get(index).copied().unwrap_or(default);
                let (stride, dilation) = (at(&self.strides, axis, 1), at(&self.dilations, axis, 1));
                let width = (kernel - 1) * dilation + 1;
                let (before, after) = match self.padding {
                    Padding::Given => (at(&self.pads, axis, 0), at(&self.pads, axis + lengths.len(), 0)),
                    Padding::Same { upper } => {
                        let count = length.div_ceil(stride);
                        let total = (count.saturating_sub(1) * stride + width).saturating_sub(*length);
                        let before = if upper { total / 2 } else { total.div_ceil(2) };
                        (before, total - before)
                    }
                };
                let padded = length.checked_add(before + after).context("a length without end")?;
                let room = padded.checked_sub(width).context("a window longer than what it slides over")?;
                let mut count = 1 + if self.ceil { room.div_ceil(stride) } else { room / stride };
                if self.ceil && (count - 1) * stride >= length + before {
                    count -= 1;
                }
                Ok(Axis { length: *length, stride, dilation, before, count })
            })
            .collect()
    }
}

/// Where element `inside` of window number `step` stands, if it is not in the padding.
fn place(axes: &[Axis], step: &[usize], inside: &[usize]) -> Option<TVec<usize>> {
    let along = |((axis, step), inside): ((&Axis, &usize), &usize)| {
        (step * axis.stride + inside * axis.dilation).checked_sub(axis.before).filter(|at| *at < axis.length)
    };
    axes.iter().zip(step).zip(inside).map(along).collect()
}

fn fixed(dims: &[TDim]) -> TractResult<TVec<usize>> {
    dims.iter().map(|dim| Ok(dim.to_usize()?)).collect()
}

/// (Σ |x|^p)^(1/p) of each window.
#[derive(Debug)]
struct LpPool {
    steps: Steps,
    kernel: Vec<usize>,
    p: f64,
}

pub(super) fn build_pool(_: &ParsingContext, node: &NodeProto) -> Built {
    let kernel = ints(node, "kernel_shape")?.into_iter().map(usize::try_from).collect::<Result<_, _>>()?;
    let p = node.get_attr_opt::<i64>("p")?.unwrap_or(2);
    ensure!(p > 0, "p is {p}");
    built(LpPool { steps: Steps::read(node)?, kernel, p: p as f64 })
}

impl Kernel for LpPool {
    fn name(&self) -> &'static str {
        "LpPool"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (kind, shape) = &inputs[0];
        ensure!(kind.is_float() && shape.len() > 2, "no batch of channels");
        let axes = self.steps.over(&fixed(&shape[2..])?, &self.kernel)?;
        let counts = axes.iter().map(|axis| axis.count.to_dim());
        Ok(tvec![(*kind, shape[..2].iter().cloned().chain(counts).collect())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (numbers, shape) = (doubles(inputs[0])?, inputs[0].shape());
        let axes = self.steps.over(&shape[2..], &self.kernel)?;
        let counts: TVec<usize> = axes.iter().map(|axis| axis.count).collect();
        let (volume, windows): (usize, usize) = (shape[2..].iter().product(), counts.iter().product());
        let mut found = Vec::new();
        for channel in 0..shape[0] * shape[1] {
            for window in 0..windows {
                let step = coordinates(window, &counts);
                let places = (0..self.kernel.iter().product())
                    .filter_map(|inside| place(&axes, &step, &coordinates(inside, &self.kernel)));
                let at = |place: TVec<usize>| numbers[channel * volume + flat(&place, &shape[2..])];
                let sum: f64 = places.map(|place| at(place).abs().powf(self.p)).sum();
                found.push(sum.powf(1.0 / self.p));
            }
        }
        let shape: TVec<usize> = shape[..2].iter().copied().chain(counts).collect();
        Ok(tvec![of_doubles(inputs[0].datum_type(), &shape, found)?])
    }
}

/// Takes columns [batch, channels × window, windows], the lengths of the picture and those of the window, and adds the
/// columns up where they come from.
#[derive(Debug)]
struct Col2Im {
    steps: Steps,
}

pub(super) fn build_columns(_: &ParsingContext, node: &NodeProto) -> Built {
    built(Col2Im { steps: Steps::read(node)? })
}

impl Kernel for Col2Im {
    fn name(&self) -> &'static str {
        "Col2Im"
    }

    fn arity(&self) -> (usize, usize) {
        (3, 3)
    }

    fn deciding(&self) -> TVec<usize> {
        tvec![1, 2]
    }

    fn facts_by(&self, inputs: &[Signature], values: &[Arc<Tensor>]) -> TractResult<TVec<Signature>> {
        let (kind, shape) = &inputs[0];
        let (picture, kernel) = (lengths(&values[0])?, lengths(&values[1])?);
        let axes = self.steps.over(&picture, &kernel)?;
        let windows = axes.iter().try_fold(1_usize, |all, axis| all.checked_mul(axis.count));
        let [batch, rows, columns] = &shape[..] else { bail!("{} axes instead of 3", shape.len()) };
        let (rows, volume) = (rows.to_usize()?, kernel.iter().product::<usize>());
        ensure!(
            rows.is_multiple_of(volume) && Some(columns.to_usize()?) == windows,
            "{columns} columns of {rows} for {windows:?} windows of {volume}"
        );
        let lengths = [rows / volume].into_iter().chain(picture).map(|length| length.to_dim());
        Ok(tvec![(*kind, [batch.clone()].into_iter().chain(lengths).collect())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (picture, kernel) = (lengths(inputs[1])?, lengths(inputs[2])?);
        let axes = self.steps.over(&picture, &kernel)?;
        let counts: TVec<usize> = axes.iter().map(|axis| axis.count).collect();
        let shape = inputs[0].shape();
        let (volume, pixels): (usize, usize) = (kernel.iter().product(), picture.iter().product());
        let channels = shape[1] / volume;
        let mut found = vec![0.0; shape[0] * channels * pixels];
        for (n, number) in doubles(inputs[0])?.into_iter().enumerate() {
            let (row, step) = (n / shape[2], coordinates(n % shape[2], &counts));
            if let Some(place) = place(&axes, &step, &coordinates(row % volume, &kernel)) {
                found[row / volume * pixels + flat(&place, &picture)] += number;
            }
        }
        let shape: TVec<usize> = [shape[0], channels].into_iter().chain(picture).collect();
        Ok(tvec![of_doubles(inputs[0].datum_type(), &shape, found)?])
    }
}
