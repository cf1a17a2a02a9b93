//! A square kernel that slides along a row, channel by channel: its numbers stay in registers, and each point is read once
//! for all the steps that see it.

use fearless_simd::{Simd, SimdBase, SimdFloat};

use crate::bounds::Ending;

/// A row that a square kernel slides along.
pub(crate) struct Path<'a, const K: usize> {
    /// The picture's rows that it sees.
    pub(crate) seen: [&'a [f32]; K],
    pub(crate) channels: usize,
    pub(crate) ending: Ending,
    pub(crate) output: &'a mut [f32],
}

impl<const K: usize> Path<'_, K> {
    /// A vector of channels along the whole row. Weights of the next number of the kernel are a whole vector further.
    #[inline(always)]
    pub(crate) fn slide<S: Simd, V: SimdFloat<S, Element = f32>>(
        &mut self,
        simd: S,
        stride: usize,
        first: usize,
        bias: &[f32],
        weights: &[f32],
    ) {
        let mut kernel = [[V::splat(simd, 0.0); K]; K];
        for row in 0..K {
            for column in 0..K {
                kernel[column][row] =
                    V::from_slice(simd, &weights[(row * K + column) * S::f32s::LEN..][..V::LEN]);
            }
        }
        let bias = V::from_slice(simd, &bias[first..][..V::LEN]);
        if stride == 1 {
            self.each(simd, first, bias, kernel)
        } else {
            self.every_other(simd, first, bias, kernel)
        }
    }

    /// Steps of one point.
    #[inline(always)]
    fn each<S: Simd, V: SimdFloat<S, Element = f32>>(
        &mut self,
        simd: S,
        first: usize,
        bias: V,
        kernel: [[V; K]; K],
    ) {
        let channels = self.channels;
        // What the next steps have of their sums, the one first that is done next.
        let mut sums = [bias; K];
        for column in 0..K - 1 {
            let x = self.column(simd, column * channels + first);
            for step in 0..K - 1 {
                sums[step] = sums[step + 1] + product(x, kernel[K - 2 - step]);
            }
        }
        let mut rest = [self.seen[0]; K];
        for row in 0..K {
            rest[row] = &self.seen[row][(K - 1) * channels..];
        }
        let mut rest = rest.map(|row| row.chunks_exact(channels));
        for output in self.output.chunks_exact_mut(channels) {
            let mut x = [bias; K];
            for row in 0..K {
                let Some(point) = rest[row].next() else { return };
                x[row] = V::from_slice(simd, &point[first..][..V::LEN]);
            }
            let sum = sums[0] + product(x, kernel[K - 1]);
            for step in 0..K - 1 {
                sums[step] = sums[step + 1] + product(x, kernel[K - 2 - step]);
            }
            self.ending.answers(simd, sum).store_slice(&mut output[first..][..V::LEN]);
        }
    }

    /// Steps of two points.
    #[inline(always)]
    fn every_other<S: Simd, V: SimdFloat<S, Element = f32>>(
        &mut self,
        simd: S,
        first: usize,
        bias: V,
        kernel: [[V; K]; K],
    ) {
        let (channels, open) = (self.channels, K / 2);
        // As above; an odd column of the picture meets the odd ones of the kernel, an even one begins a step and ends one.
        let mut sums = [bias; K];
        sums[open - 1] = bias + product(self.column(simd, first), kernel[0]);
        for pair in 1..open {
            let x = self.column(simd, (2 * pair - 1) * channels + first);
            for step in 0..open {
                sums[step] += product(x, kernel[2 * (open - step) - 1]);
            }
            let x = self.column(simd, 2 * pair * channels + first);
            for step in 0..open {
                sums[step] = sums[step + 1] + product(x, kernel[2 * (open - 1 - step)]);
            }
        }
        let mut rest = [self.seen[0]; K];
        for row in 0..K {
            rest[row] = &self.seen[row][(2 * open - 1) * channels..];
        }
        let mut rest = rest.map(|row| row.chunks_exact(2 * channels));
        for output in self.output.chunks_exact_mut(channels) {
            let (mut odd, mut even) = ([bias; K], [bias; K]);
            for row in 0..K {
                let Some(pair) = rest[row].next() else { return };
                let (one, other) = pair.split_at(channels);
                odd[row] = V::from_slice(simd, &one[first..][..V::LEN]);
                even[row] = V::from_slice(simd, &other[first..][..V::LEN]);
            }
            for step in 0..open {
                sums[step] += product(odd, kernel[2 * (open - step) - 1]);
            }
            let sum = sums[0] + product(even, kernel[K - 1]);
            for step in 0..open {
                sums[step] = sums[step + 1] + product(even, kernel[2 * (open - 1 - step)]);
            }
            self.ending.answers(simd, sum).store_slice(&mut output[first..][..V::LEN]);
        }
    }

    /// A vector of channels of one column, from here in each row.
    #[inline(always)]
    fn column<S: Simd, V: SimdFloat<S, Element = f32>>(&self, simd: S, at: usize) -> [V; K] {
        let mut x = [V::splat(simd, 0.0); K];
        for row in 0..K {
            x[row] = V::from_slice(simd, &self.seen[row][at..][..V::LEN]);
        }
        x
    }
}

/// A column of points times one of the kernel's.
#[inline(always)]
fn product<S: Simd, V: SimdFloat<S, Element = f32>, const K: usize>(x: [V; K], kernel: [V; K]) -> V {
    let mut sum = x[0] * kernel[0];
    for row in 1..K {
        sum = x[row].mul_add(kernel[row], sum);
    }
    sum
}
