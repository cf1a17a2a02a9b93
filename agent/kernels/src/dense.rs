//! Convolutions that mix all channels, and fully connected layers, which are those of one point.
//!
//! Each step of the window is one row of a matrix, each filter one column of another; a tile of their product is summed
//! in registers at a time. The filters lie in panels, as many vectors wide as the tile, so that they are read in order.

use fearless_simd::{Simd, SimdBase, SimdFloat, f32x4, f32x8};

use crate::bounds::Ending;
use crate::machine::{Work, dispatch, lanes};
use crate::window::padded;
use crate::{Added, Bounds, Channels, Mismatch, Window};

/// Numbers of the picture that are kept near while all panels go over them: half of a small processor's second cache.
const NEAR: usize = 32 * 1024;

/// Inputs of a step alone that are summed in four parts. Fewer are summed as those of many steps are, to the same bit.
const LONG: usize = 16;
/// Numbers of the largest tile: eight points by three vectors of sixteen.
const TILE: usize = 8 * 3 * 16;

/// Filters with their biases, laid out for this processor.
#[derive(Clone)]
pub struct Filters {
    panels: Vec<Panel>,
    inputs: usize,
    taps: usize,
    outputs: usize,
}

#[derive(Clone)]
struct Panel {
    /// First output channel.
    first: usize,
    /// Width in vectors, 1 to 3.
    vectors: usize,
    /// `[taps, inputs, width]`.
    weights: Vec<f32>,
    /// `[width]`.
    bias: Vec<f32>,
}

/// Without their weights, which nobody would read.
impl std::fmt::Debug for Filters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} filters of {} taps by {} inputs", self.outputs, self.taps, self.inputs)
    }
}

impl Filters {
    /// Lays out the filters that `weight(output, tap, input)` gives, the taps of a kernel row after row.
    pub fn new(
        [outputs, taps, inputs]: [usize; 3],
        bias: &[f32],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Result<Self, Mismatch> {
        if bias.len() != outputs || outputs == 0 || taps == 0 || inputs == 0 {
            return Err(Mismatch);
        }
        let (lanes, most) = lanes();
        let vectors = outputs.div_ceil(lanes);
        let count = vectors.div_ceil(most);
        let edge = |panel: usize| vectors * panel / count * lanes;
        let panel = |index: usize| {
            let (first, last) = (edge(index), edge(index + 1));
            let mut weights = Vec::with_capacity(taps * inputs * (last - first));
            for tap in 0..taps {
                for input in 0..inputs {
                    weights.extend(
                        (first..last)
                            .map(|output| if output < outputs { weight(output, tap, input) } else { 0.0 }),
                    );
                }
            }
            let bias = (first..last).map(|output| bias.get(output).copied().unwrap_or(0.0)).collect();
            Panel { first, vectors: (last - first) / lanes, weights, bias }
        };
        Ok(Filters { panels: (0..count).map(panel).collect(), inputs, taps, outputs })
    }

    /// Channels of the answers.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Answers for a picture of `inputs` channels, as `[rows, columns, outputs]` of the window's steps. `added` is added
    /// to them before they are settled.
    pub fn convolve(
        &self,
        window: &Window,
        bounds: Bounds,
        (order, input): (Channels, &[f32]),
        added: Option<Added<'_>>,
        output: &mut [f32],
    ) -> Result<(), Mismatch> {
        let [rows, columns] = window.output().ok_or(Mismatch)?;
        let count = rows * columns * self.outputs;
        if window.taps() != Some(self.taps)
            || input.len() != window.input[0] * window.input[1] * self.inputs
            || output.len() != count
            || added.is_some_and(|added| added.numbers.len() != count)
        {
            return Err(Mismatch);
        }
        let input = padded(window, self.inputs, order, input)?;
        let width = window.padded(1).ok_or(Mismatch)? * self.inputs;
        let [down, right] = [window.dilation[0] * width, window.dilation[1] * self.inputs];
        // Numbers of a kernel's row that lie side by side are one run.
        let (offsets, run) = if window.dilation[1] == 1 {
            ((0..window.kernel[0]).map(|row| row * down).collect(), window.kernel[1] * self.inputs)
        } else {
            let at = |tap: usize| tap / window.kernel[1] * down + tap % window.kernel[1] * right;
            ((0..self.taps).map(at).collect(), self.inputs)
        };
        let steps = if window.kernel == [1, 1] && window.stride == [1, 1] {
            Steps { count: rows * columns, columns: rows * columns, down: 0, right: self.inputs }
        } else {
            let [down, right] = [window.stride[0] * width, window.stride[1] * self.inputs];
            Steps { count: rows * columns, columns, down, right }
        };
        dispatch(Convolution {
            filters: self,
            steps,
            offsets,
            run,
            before: added.map_or(Bounds::NONE, |added| added.before).into(),
            ending: bounds.into(),
            input: &input,
            added,
            output,
            tile: [0.0; TILE],
        });
        Ok(())
    }
}

/// Where the steps of a window begin.
struct Steps {
    count: usize,
    columns: usize,
    down: usize,
    right: usize,
}

struct Convolution<'a> {
    filters: &'a Filters,
    steps: Steps,
    /// From a step to each run of numbers that it sees.
    offsets: Vec<usize>,
    run: usize,
    before: Ending,
    ending: Ending,
    input: &'a [f32],
    added: Option<Added<'a>>,
    output: &'a mut [f32],
    /// The sums of a tile.
    tile: [f32; TILE],
}

impl Work for Convolution<'_> {
    type Outcome = ();

    #[inline(always)]
    fn run<S: Simd, const P: usize, const V: usize>(mut self, simd: S) {
        if self.steps.count == 1 && self.offsets.len() == 1 && self.run >= LONG {
            for panel in &self.filters.panels {
                match panel.vectors {
                    3 if V >= 3 => self.row::<S, 3>(simd, panel),
                    2 if V >= 2 => self.row::<S, 2>(simd, panel),
                    _ => self.row::<S, 1>(simd, panel),
                }
            }
            return;
        }
        let near = (NEAR / (self.run * self.offsets.len())).max(P);
        for first in (0..self.steps.count).step_by(near) {
            let last = self.steps.count.min(first + near);
            for panel in &self.filters.panels {
                match panel.vectors {
                    3 if V >= 3 => self.tiles::<S, P, 3>(simd, panel, first, last),
                    2 if V >= 2 => self.tiles::<S, P, 2>(simd, panel, first, last),
                    _ => self.tiles::<S, P, 1>(simd, panel, first, last),
                }
            }
        }
    }
}

impl Convolution<'_> {
    /// Steps in tiles of nearly the same height, at most `P`.
    #[inline(always)]
    fn tiles<S: Simd, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        panel: &Panel,
        first: usize,
        last: usize,
    ) {
        let count = last - first;
        let tiles = count.div_ceil(P);
        for index in 0..tiles {
            let (from, to) = (first + count * index / tiles, first + count * (index + 1) / tiles);
            // What is higher than `P` is not compiled.
            match to - from {
                8 if P >= 8 => self.tile::<S, 8, V>(simd, panel, from),
                7 if P >= 7 => self.tile::<S, 7, V>(simd, panel, from),
                6 if P >= 6 => self.tile::<S, 6, V>(simd, panel, from),
                5 if P >= 5 => self.tile::<S, 5, V>(simd, panel, from),
                4 if P >= 4 => self.tile::<S, 4, V>(simd, panel, from),
                3 if P >= 3 => self.tile::<S, 3, V>(simd, panel, from),
                2 if P >= 2 => self.tile::<S, 2, V>(simd, panel, from),
                _ => self.tile::<S, 1, V>(simd, panel, from),
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const P: usize, const V: usize>(&mut self, simd: S, panel: &Panel, from: usize) {
        let lanes = S::f32s::LEN;
        let width = V * lanes;
        let mut starts = [0; P];
        let (mut row, mut column) = (from / self.steps.columns, from % self.steps.columns);
        for start in &mut starts {
            *start = row * self.steps.down + column * self.steps.right;
            column += 1;
            if column == self.steps.columns {
                (row, column) = (row + 1, 0);
            }
        }
        let mut sums = [[S::f32s::splat(simd, 0.0); V]; P];
        for vector in 0..V {
            let bias = S::f32s::from_slice(simd, &panel.bias[vector * lanes..][..lanes]);
            for point in 0..P {
                sums[point][vector] = bias;
            }
        }
        let run = self.run;
        for (offset, weights) in self.offsets.iter().zip(panel.weights.chunks_exact(run * width)) {
            let mut rows = [&self.input[..0]; P];
            for (row, start) in rows.iter_mut().zip(starts) {
                *row = &self.input[start + offset..][..run];
            }
            for (input, weights) in weights.chunks_exact(width).enumerate() {
                let mut columns = [S::f32s::splat(simd, 0.0); V];
                for (vector, column) in columns.iter_mut().enumerate() {
                    *column = S::f32s::from_slice(simd, &weights[vector * lanes..][..lanes]);
                }
                for point in 0..P {
                    let x = S::f32s::splat(simd, rows[point][input]);
                    for vector in 0..V {
                        sums[point][vector] = x.mul_add(columns[vector], sums[point][vector]);
                    }
                }
            }
        }
        self.store(simd, panel, from, sums);
    }

    /// One step alone: the sum over four inputs at a time, as one chain of additions would wait for itself.
    #[inline(always)]
    fn row<S: Simd, const V: usize>(&mut self, simd: S, panel: &Panel) {
        let lanes = S::f32s::LEN;
        let width = V * lanes;
        let mut sums = [[S::f32s::splat(simd, 0.0); V]; 4];
        for vector in 0..V {
            sums[0][vector] = S::f32s::from_slice(simd, &panel.bias[vector * lanes..][..lanes]);
        }
        let (fours, rest) = self.input[..self.run].as_chunks::<4>();
        let mut quarters = panel.weights.chunks_exact(4 * width);
        for (four, weights) in fours.iter().zip(&mut quarters) {
            for quarter in 0..4 {
                let x = S::f32s::splat(simd, four[quarter]);
                for vector in 0..V {
                    let weights = &weights[(quarter * V + vector) * lanes..][..lanes];
                    sums[quarter][vector] =
                        x.mul_add(S::f32s::from_slice(simd, weights), sums[quarter][vector]);
                }
            }
        }
        for (x, weights) in rest.iter().zip(quarters.remainder().chunks_exact(width)) {
            let x = S::f32s::splat(simd, *x);
            for vector in 0..V {
                let weights = &weights[vector * lanes..][..lanes];
                sums[0][vector] = x.mul_add(S::f32s::from_slice(simd, weights), sums[0][vector]);
            }
        }
        let mut total = sums[0];
        for vector in 0..V {
            total[vector] = (sums[0][vector] + sums[1][vector]) + (sums[2][vector] + sums[3][vector]);
        }
        self.store(simd, panel, 0, [total]);
    }

    /// The sums as answers of the steps from `from` on.
    ///
    /// They go by way of memory: the compiler keeps in registers, in the loop before, only what is stored in a short one.
    #[inline(always)]
    fn store<S: Simd, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        panel: &Panel,
        from: usize,
        sums: [[S::f32s; V]; P],
    ) {
        let lanes = S::f32s::LEN;
        for point in 0..P {
            for vector in 0..V {
                sums[point][vector].store_slice(&mut self.tile[(point * V + vector) * lanes..][..lanes]);
            }
        }
        self.settle(simd, panel, from, P);
    }

    /// The tile of this many steps, settled, as their answers. One function for tiles of every size: inlined in each, it
    /// would push the sums out of the registers.
    #[inline(always)]
    fn settle<S: Simd>(&mut self, simd: S, panel: &Panel, from: usize, steps: usize) {
        let each = panel.vectors * S::f32s::LEN;
        simd.vectorize(
            #[inline(always)]
            || {
                let (lanes, outputs) = (S::f32s::LEN, self.filters.outputs);
                // The last vector of the last panel may reach beyond the last filter.
                let width = each.min(outputs - panel.first);
                for step in 0..steps {
                    let (sums, at) = (step * each, (from + step) * outputs + panel.first);
                    let mut first = 0;
                    while first + lanes <= width {
                        self.answer::<S, S::f32s>(simd, sums + first, at + first);
                        first += lanes;
                    }
                    while first + 8 <= width && lanes > 8 {
                        self.answer::<S, f32x8<S>>(simd, sums + first, at + first);
                        first += 8;
                    }
                    while first + 4 <= width {
                        self.answer::<S, f32x4<S>>(simd, sums + first, at + first);
                        first += 4;
                    }
                    for first in first..width {
                        self.answer_alone(sums + first, at + first);
                    }
                }
            },
        );
    }

    /// A vector of sums of the tile, settled, as answers.
    #[inline(always)]
    fn answer<S: Simd, V: SimdFloat<S, Element = f32>>(&mut self, simd: S, sums: usize, at: usize) {
        let mut answer = V::from_slice(simd, &self.tile[sums..][..V::LEN]);
        if let Some(added) = self.added {
            let other = V::from_slice(simd, &added.numbers[at..][..V::LEN]);
            answer = self.before.answers(simd, answer) + other;
        }
        self.ending.answers(simd, answer).store_slice(&mut self.output[at..][..V::LEN]);
    }

    #[inline(always)]
    fn answer_alone(&mut self, sum: usize, at: usize) {
        let mut answer = self.tile[sum];
        if let Some(added) = self.added {
            answer = self.before.answer(answer) + added.numbers[at];
        }
        self.output[at] = self.ending.answer(answer);
    }
}
