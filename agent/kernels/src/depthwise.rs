//! Convolutions that keep channels apart: each has a kernel of its own.
//!
//! Along a row, a square kernel of the usual sizes slides ([`crate::slide`]). Steps at edges and kernels of other sizes are
//! summed one by one.

use std::ops::Range;

use fearless_simd::{Simd, SimdBase, SimdFloat, f32x4, f32x8};

use crate::bounds::Ending;
use crate::machine::{Work, dispatch, lanes};
use crate::slide::Path;
use crate::{Bounds, Mismatch, Window};

/// How many numbers of the kernel are summed in one go.
const GROUPS: [usize; 5] = [25, 9, 5, 3, 1];

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
    /// First number of the kernel, and how many from there.
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
            let size = GROUPS.into_iter().find(|size| *size <= left).unwrap_or(1);
            let mut weights = Vec::with_capacity(channels.next_multiple_of(lanes) * size);
            for block in 0..channels.div_ceil(lanes) {
                for tap in first..first + size {
                    weights.extend(
                        (block * lanes..(block + 1) * lanes)
                            .map(|channel| if channel < channels { weight(channel, tap) } else { 0.0 }),
                    );
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
        let offset = |tap: usize| {
            let (row, column) = (tap / window.kernel[1], tap % window.kernel[1]);
            (row * window.dilation[0] * window.input[1] + column * window.dilation[1]) * self.channels
        };
        let offsets: Vec<usize> = (0..self.count).map(offset).collect();
        let (zeros, offsets) = (&*zeros, &*offsets);
        dispatch(Convolution {
            taps: self,
            window,
            rows,
            columns,
            ending: bounds.into(),
            zeros,
            offsets,
            input,
            output,
        });
        Ok(())
    }
}

struct Convolution<'a> {
    taps: &'a Taps,
    window: &'a Window,
    rows: usize,
    columns: usize,
    ending: Ending,
    /// Stands for points outside of the picture.
    zeros: &'a [f32],
    /// From the first number that a step sees to each.
    offsets: &'a [usize],
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Work for Convolution<'_> {
    type Outcome = ();

    #[inline(always)]
    fn run<S: Simd, const P: usize, const V: usize>(mut self, simd: S) {
        for row in 0..self.rows {
            let slid = self.slid(row);
            for column in (0..slid.start).chain(slid.end..self.columns) {
                for index in 0..self.taps.groups.len() {
                    match self.taps.groups[index].size {
                        25 => self.sum::<S, 25>(simd, [row, column], index),
                        9 => self.sum::<S, 9>(simd, [row, column], index),
                        5 => self.sum::<S, 5>(simd, [row, column], index),
                        3 => self.sum::<S, 3>(simd, [row, column], index),
                        _ => self.sum::<S, 1>(simd, [row, column], index),
                    }
                }
            }
            if !slid.is_empty() {
                match self.window.kernel[1] {
                    5 => self.slide::<S, 5>(simd, row, slid),
                    _ => self.slide::<S, 3>(simd, row, slid),
                }
            }
        }
    }
}

impl Convolution<'_> {
    /// The steps of a row over which the kernel slides.
    fn slid(&self, row: usize) -> Range<usize> {
        let (window, none) = (self.window, self.columns..self.columns);
        let [kernel, stride] = [window.kernel[1], window.stride[1]];
        let slides = matches!(window.kernel, [3, 3] | [5, 5]) && window.dilation[1] == 1 && stride <= 2;
        // In a vector that is not full, numbers would have to be summed alone.
        if !slides || !self.taps.channels.is_multiple_of(4) {
            return none;
        }
        let first = window.before[1].div_ceil(stride);
        let end = (window.input[1] + window.before[1]).saturating_sub(kernel) / stride + 1;
        let end = end.min(self.columns);
        if first < end && window.inside([row, first]).is_some() { first..end } else { none }
    }

    /// Sums of steps of a row that all see points alone.
    #[inline(always)]
    fn slide<S: Simd, const K: usize>(&mut self, simd: S, row: usize, steps: Range<usize>) {
        let (taps, window, lanes) = (self.taps, self.window, S::f32s::LEN);
        let channels = taps.channels;
        let Some(point) = window.inside([row, steps.start]) else { return };
        let reach = ((steps.len() - 1) * window.stride[1] + K) * channels;
        let mut seen = [self.zeros; K];
        for (index, seen) in seen.iter_mut().enumerate() {
            *seen = &self.input[point * channels + self.offsets[index * K]..][..reach];
        }
        let at = (row * self.columns + steps.start) * channels;
        let output = &mut self.output[at..][..steps.len() * channels];
        let mut path = Path::<K> { seen, channels, ending: self.ending, output };
        for (block, weights) in taps.groups[0].weights.chunks_exact(K * K * lanes).enumerate() {
            let (first, mut lane) = (block * lanes, 0);
            let left = lanes.min(channels - first);
            if left == lanes {
                path.slide::<S, S::f32s>(simd, window.stride[1], first, &taps.bias, weights);
                continue;
            }
            // What is left of the channels, in ever shorter vectors.
            while lane + 8 <= left && lanes > 8 {
                path.slide::<S, f32x8<S>>(simd, window.stride[1], first + lane, &taps.bias, &weights[lane..]);
                lane += 8;
            }
            while lane + 4 <= left {
                path.slide::<S, f32x4<S>>(simd, window.stride[1], first + lane, &taps.bias, &weights[lane..]);
                lane += 4;
            }
        }
    }

    /// Adds the products of a group of the kernels' numbers at one step.
    #[inline(always)]
    fn sum<S: Simd, const T: usize>(&mut self, simd: S, step: [usize; 2], index: usize) {
        let (window, channels) = (self.window, self.taps.channels);
        let first = self.taps.groups[index].first;
        let mut seen = [self.zeros; T];
        if let Some(point) = window.inside(step) {
            let offsets = &self.offsets[first..][..T];
            for tap in 0..T {
                seen[tap] = &self.input[point * channels + offsets[tap]..];
            }
        } else {
            for (tap, seen) in (first..first + T).zip(&mut seen) {
                let tap = [tap / window.kernel[1], tap % window.kernel[1]];
                if let Some(point) = window.point(step, tap) {
                    *seen = &self.input[point * channels..];
                }
            }
        }
        // All of one length, so that one check does for all.
        for tap in 0..T {
            seen[tap] = &seen[tap][..channels];
        }
        self.add::<S, T>(simd, step, index, seen);
    }

    /// Adds the products of what is seen to the biases, or to what earlier groups gave.
    #[inline(always)]
    fn add<S: Simd, const T: usize>(&mut self, simd: S, step: [usize; 2], index: usize, seen: [&[f32]; T]) {
        let (taps, lanes) = (self.taps, S::f32s::LEN);
        let at = (step[0] * self.columns + step[1]) * taps.channels;
        let mut sums = Sums::<T> {
            seen,
            bias: (index == 0).then_some(&taps.bias),
            ending: if index + 1 == taps.groups.len() { self.ending } else { Bounds::NONE.into() },
            output: &mut self.output[at..][..taps.channels],
        };
        for (block, weights) in taps.groups[index].weights.chunks_exact(T * lanes).enumerate() {
            let (first, mut lane) = (block * lanes, 0);
            if first + lanes <= taps.channels {
                sums.add::<S, S::f32s>(simd, first, weights);
                continue;
            }
            // What is left of the channels, in ever shorter vectors.
            while lane + 8 <= taps.channels - first && lanes > 8 {
                sums.add::<S, f32x8<S>>(simd, first + lane, &weights[lane..]);
                lane += 8;
            }
            while lane + 4 <= taps.channels - first {
                sums.add::<S, f32x4<S>>(simd, first + lane, &weights[lane..]);
                lane += 4;
            }
            for lane in lane..taps.channels - first {
                sums.add_one(first + lane, lanes, &weights[lane..]);
            }
        }
    }
}

/// The sums of one step.
struct Sums<'a, const T: usize> {
    seen: [&'a [f32]; T],
    /// What sums start from, rather than what is there.
    bias: Option<&'a Vec<f32>>,
    ending: Ending,
    output: &'a mut [f32],
}

impl<const T: usize> Sums<'_, T> {
    /// A vector of channels. Weights of the next number of the kernel are a whole vector further.
    #[inline(always)]
    fn add<S: Simd, V: SimdFloat<S, Element = f32>>(&mut self, simd: S, first: usize, weights: &[f32]) {
        let start = self.bias.map_or(&*self.output, |bias| bias);
        let mut sum = V::from_slice(simd, &start[first..][..V::LEN]);
        for tap in 0..T {
            let x = V::from_slice(simd, &self.seen[tap][first..][..V::LEN]);
            sum = x.mul_add(V::from_slice(simd, &weights[tap * S::f32s::LEN..][..V::LEN]), sum);
        }
        self.ending.answers(simd, sum).store_slice(&mut self.output[first..][..V::LEN]);
    }

    #[inline(always)]
    fn add_one(&mut self, channel: usize, lanes: usize, weights: &[f32]) {
        let mut sum = self.bias.map_or(self.output[channel], |bias| bias[channel]);
        for tap in 0..T {
            sum += self.seen[tap][channel] * weights[tap * lanes];
        }
        self.output[channel] = self.ending.answer(sum);
    }
}
