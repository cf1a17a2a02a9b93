//! The nodes that run our kernels.

use std::sync::Arc;

use dunlin_kernels::{Added, Bounds, Channels, Filters, Taps, Window, pool};
use tract_onnx::tract_hir::internal::*;

use super::spare::Spare;

/// What is done at each step of a window.
#[derive(Debug)]
pub(super) enum Kernel {
    /// Each filter sums over all channels.
    Dense(Filters),
    /// Each channel has a filter of its own.
    Depthwise(Taps),
    /// The largest number of each channel.
    Maxima {
        /// Of the input as of the output.
        channels: usize,
    },
    /// The sum of each channel; the window is the whole picture.
    Sums {
        /// Of the input as of the output.
        channels: usize,
    },
}

/// A kernel over an input of single precision, whose answers are `[…, channels]`. A second input is added to the answers.
#[derive(Clone, Debug)]
pub(super) struct ChannelsLast {
    pub(super) kernel: Arc<Kernel>,
    /// Over inputs `[batch, (rows,) columns, channels]`; without one, each point of the input is a step.
    pub(super) window: Option<Window>,
    /// Where the input has its channels; only a dense kernel with a window takes them first.
    pub(super) order: Channels,
    /// What answers are settled to before the second input is added.
    pub(super) before: Bounds,
    pub(super) bounds: Bounds,
    /// Where answers are taken from; one for all layers of a network.
    pub(super) spare: Arc<Spare>,
}

impl PartialEq for ChannelsLast {
    fn eq(&self, other: &Self) -> bool {
        let endings = |op: &Self| (op.before, op.bounds);
        Arc::ptr_eq(&self.kernel, &other.kernel)
            && self.window == other.window
            && self.order == other.order
            && endings(self) == endings(other)
    }
}

/// Bounds are no NaN.
impl Eq for ChannelsLast {}

impl ChannelsLast {
    pub(super) fn is_dense(&self) -> bool {
        matches!(*self.kernel, Kernel::Dense(_))
    }

    fn outputs(&self) -> usize {
        match &*self.kernel {
            Kernel::Dense(filters) => filters.outputs(),
            Kernel::Depthwise(taps) => taps.channels(),
            Kernel::Maxima { channels } | Kernel::Sums { channels } => *channels,
        }
    }

    fn output_shape<D: DimLike>(&self, input: &[D]) -> TractResult<TVec<D>> {
        let mut shape: TVec<D> = input.into();
        let last = shape.len().checked_sub(1).context("channels are missing")?;
        shape[last] = self.outputs().into();
        if let Some(window) = &self.window {
            let [rows, columns] = window.output().context("the kernel is larger than what it goes over")?;
            match last {
                2 => shape[1] = columns.into(),
                3 => (shape[1], shape[2]) = (rows.into(), columns.into()),
                _ => bail!("a picture of {} axes", last + 1),
            }
        }
        Ok(shape)
    }

    fn run(&self, window: &Window, x: &[f32], added: Option<&[f32]>, y: &mut [f32]) -> TractResult<()> {
        match &*self.kernel {
            Kernel::Dense(filters) => {
                let added = added.map(|numbers| Added { before: self.before, numbers });
                filters.convolve(window, self.bounds, (self.order, x), added, y)?;
            }
            Kernel::Depthwise(taps) => taps.convolve(window, self.bounds, x, y)?,
            Kernel::Maxima { channels } => pool::maxima(window, *channels, x, y)?,
            Kernel::Sums { channels } => pool::sums([window.input[0], window.input[1], *channels], x, y)?,
        }
        Ok(())
    }
}

impl Op for ChannelsLast {
    fn name(&self) -> StaticName {
        match &*self.kernel {
            Kernel::Dense(_) => "DenseChannelsLast",
            Kernel::Depthwise(_) => "DepthwiseChannelsLast",
            Kernel::Maxima { .. } => "MaximaChannelsLast",
            Kernel::Sums { .. } => "SumsChannelsLast",
        }
        .into()
    }

    op_as_typed_op!();
}

impl EvalOp for ChannelsLast {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut output = self.spare.take(&self.output_shape(inputs[0].shape())?)?;
        if output.len() == 0 {
            return Ok(tvec![output.into_tvalue()]);
        }
        let shape = inputs[0].shape();
        let x = inputs[0].try_as_plain_ram()?;
        let x = x.as_slice::<f32>()?;
        let added = inputs.get(1).map(|added| added.try_as_plain_ram()).transpose()?;
        let added = added.as_ref().map(|added| added.as_slice::<f32>()).transpose()?;
        let mut plain = output.try_as_plain_ram_mut()?;
        let y = plain.as_slice_mut::<f32>()?;
        match &self.window {
            None => {
                let points = shape[..shape.len() - 1].iter().product();
                self.run(&Window::of_points(points), x, added, y)?;
            }
            Some(window) => {
                let (from, to) = (x.len() / shape[0], y.len() / shape[0]);
                for (index, (x, y)) in x.chunks_exact(from).zip(y.chunks_exact_mut(to)).enumerate() {
                    let added = added.and_then(|added| added.get(index * to..(index + 1) * to));
                    self.run(window, x, added, y)?;
                }
            }
        }
        inputs.into_iter().for_each(|input| self.spare.give(input));
        Ok(tvec![output.into_tvalue()])
    }
}

impl TypedOp for ChannelsLast {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = self.output_shape(&inputs[0].shape)?;
        if let Some(added) = inputs.get(1) {
            ensure!(*added.shape == *shape, "a sum of {:?} and {shape:?}", added.shape);
        }
        Ok(tvec![f32::fact(&*shape)])
    }

    as_op!();
}
