//! Convolutions that keep channels apart: each has a kernel of its own.

use fearless_simd::{Simd, SimdBase, SimdFloat};

use crate::machine::{Work, dispatch, lanes};
use crate::{Bounds, Mismatch, Window};

/// Numbers of the kernel that are summed in one go.
const GROUPS: [usize; 3] = [9, 5, 3];

/// Kernels with their biases, laid out for this processor.
#[derive(Clone)]
pub struct Taps {
    groups: Vec<Group>,
    bias: Vec<f32>,
    channels: usize,
    count: usize,
}

#[derive(Clone)]
struct Group {
    /// First number of the kernel, and how many from there. What is beyond the last one is zero.
    first: usize,
    size: usize,
    /// `[channels / lanes, size, lanes]`.
    weights: Vec<f32>,
}

/// Without their weights, which nobody would read.
impl std::fmt::Debug for Taps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} kernels of {} taps", self.channels, self.count)
    }
}

impl Taps {
    /// Lays out the kernels that `weight(channel, tap)` gives, the taps of a kernel row after row.
    pub fn new(
        [channels, count]: [usize; 2],
        bias: &[f32],
        weight: impl Fn(usize, usize) -> f32,
    ) -> Result<Self, Mismatch> {
        if bias.len() != channels || channels == 0 || count == 0 {
            return Err(Mismatch);
        }
        let (lanes, _) = lanes();
        let (mut groups, mut first) = (Vec::new(), 0);
        while first < count {
            let left = count - first;
            let size = GROUPS.into_iter().rev().find(|size| *size >= left).unwrap_or(GROUPS[0]);
            let mut weights = Vec::with_capacity(channels.next_multiple_of(lanes) * size);
            for block in 0..channels.div_ceil(lanes) {
                for tap in first..first + size {
                    weights.extend((block * lanes..(block + 1) * lanes).map(|channel| {
                        if channel < channels && tap < count { weight(channel, tap) } else { 0.0 }
                    }));
                }
            }
            groups.push(Group { first, size, weights });
            first += size;
        }
        Ok(Taps { groups, bias: bias.to_vec(), channels, count })
    }

    /// Channels, of pictures as of answers.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Answers for a picture `[rows, columns, channels]`, as `[rows, columns, channels]` of the window's steps.
    pub fn convolve(
        &self,
        window: &Window,
        bounds: Bounds,
        input: &[f32],
        output: &mut [f32],
    ) -> Result<(), Mismatch> {
        let [rows, columns] = window.output().ok_or(Mismatch)?;
        if window.taps() != Some(self.count)
            || input.len() != window.input[0] * window.input[1] * self.channels
            || output.len() != rows * columns * self.channels
        {
            return Err(Mismatch);
        }
        let zeros = vec![0.0; self.channels];
        dispatch(Convolution { taps: self, window, columns, bounds, zeros: &zeros, input, output });
        Ok(())
    }
}

struct Convolution<'a> {
    taps: &'a Taps,
    window: &'a Window,
    columns: usize,
    bounds: Bounds,
    /// Stands for points outside of the picture.
    zeros: &'a [f32],
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Work for Convolution<'_> {
    type Outcome = ();

    #[inline(always)]
    fn run<S: Simd, const P: usize, const V: usize>(self, simd: S) {
        let (taps, channels) = (self.taps, self.taps.channels);
        for (step, output) in self.output.chunks_exact_mut(channels).enumerate() {
            let at = At {
                window: self.window,
                step: [step / self.columns, step % self.columns],
                zeros: self.zeros,
                input: self.input,
            };
            for (index, group) in taps.groups.iter().enumerate() {
                let bias = (index == 0).then_some(&*taps.bias);
                let bounds = if index + 1 == taps.groups.len() { self.bounds } else { Bounds::NONE };
                match group.size {
                    3 => at.sum::<S, 3>(simd, group, bias, bounds, output),
                    5 => at.sum::<S, 5>(simd, group, bias, bounds, output),
                    _ => at.sum::<S, 9>(simd, group, bias, bounds, output),
                }
            }
        }
    }
}

/// One step of the window.
struct At<'a> {
    window: &'a Window,
    step: [usize; 2],
    zeros: &'a [f32],
    input: &'a [f32],
}

impl At<'_> {
    /// Adds the products of `T` numbers of the kernels to the bias, or to what is there.
    #[inline(always)]
    fn sum<S: Simd, const T: usize>(
        &self,
        simd: S,
        group: &Group,
        bias: Option<&[f32]>,
        bounds: Bounds,
        output: &mut [f32],
    ) {
        let (lanes, channels) = (S::f32s::LEN, output.len());
        let mut rows = [self.zeros; T];
        for (index, row) in rows.iter_mut().enumerate() {
            let tap = group.first + index;
            let tap = [tap / self.window.kernel[1], tap % self.window.kernel[1]];
            let point = if tap[0] < self.window.kernel[0] { self.window.point(self.step, tap) } else { None };
            if let Some(point) = point {
                *row = &self.input[point * channels..];
            }
        }
        for row in &mut rows {
            *row = &row[..channels];
        }
        let low = S::f32s::splat(simd, bounds.low);
        let high = S::f32s::splat(simd, bounds.high);
        let blocks = group.weights.chunks_exact(T * lanes);
        for (block, weights) in blocks.enumerate() {
            let first = block * lanes;
            if first + lanes <= channels {
                let start = &bias.unwrap_or(output)[first..][..lanes];
                let mut sum = S::f32s::from_slice(simd, start);
                for tap in 0..T {
                    let x = S::f32s::from_slice(simd, &rows[tap][first..][..lanes]);
                    sum = x.mul_add(S::f32s::from_slice(simd, &weights[tap * lanes..][..lanes]), sum);
                }
                // The second operand is what comes out where either is NaN.
                high.min(low.max(sum)).store_slice(&mut output[first..][..lanes]);
            } else {
                for (lane, channel) in (first..channels).enumerate() {
                    let mut sum = bias.unwrap_or(output)[channel];
                    for tap in 0..T {
                        sum += rows[tap][channel] * weights[tap * lanes + lane];
                    }
                    output[channel] = if sum < bounds.low {
                        bounds.low
                    } else if sum > bounds.high {
                        bounds.high
                    } else {
                        sum
                    };
                }
            }
        }
    }
}
