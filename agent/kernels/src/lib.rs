//! Convolutions in single precision, as fast as the processor goes.
//!
//! Pictures and windows lie with their channels last, `[rows, columns, channels]`: so every length but that of the
//! channels may be small, and vectors are full all the same. A window of a series is a picture of one row. In reading
//! order: [`machine`] picks the vectors of the processor; [`window`] says which points a kernel sees; [`dense`] mixes
//! channels (convolutions and fully connected layers), [`depthwise`] does not, [`pool`] takes maxima; [`zeros`] is where
//! answers are written.
//!
//! A crate of its own because it is optimised where the rest of the agent is made small. Of the engine it knows the
//! tensor.

// Loops that count to a constant are unrolled, so that what they index stays in registers; iterators are not always.
#![allow(clippy::needless_range_loop)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod dense;
pub mod depthwise;
mod machine;
pub mod pool;
pub mod window;

pub use dense::Filters;
pub use depthwise::Taps;
pub use machine::is_vectorised;
pub use window::Window;

use fearless_simd::{Simd, SimdBase, SimdFloat};
use tract_data::{TractResult, prelude::Tensor};

/// A tensor of zeros. By this crate because the engine's own crate, made small, fills them in one by one, which takes
/// as long as a depthwise convolution.
pub fn zeros(shape: &[usize]) -> TractResult<Tensor> {
    Tensor::zero::<f32>(shape)
}

/// Numbers whose count is not what shapes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch;

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the number of elements is not what the shape says")
    }
}

impl std::error::Error for Mismatch {}

/// What is added to answers, which are settled before.
#[derive(Debug, Clone, Copy)]
pub struct Added<'a> {
    /// What answers are settled to first.
    pub before: Bounds,
    /// As many numbers as answers.
    pub numbers: &'a [f32],
}

/// What answers are settled to: an activation such as ReLU or ReLU6, and the steps of a quantized tensor. NaN stays NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Least answer.
    pub low: f32,
    /// Largest answer.
    pub high: f32,
    /// What answers are whole multiples of, the nearest ones, half a step to the even one; 0 where any number will do.
    /// Then the bounds are at most 2²² steps from zero.
    pub step: f32,
}

impl Bounds {
    /// Answers as they are.
    pub const NONE: Bounds = Bounds { low: f32::NEG_INFINITY, high: f32::INFINITY, step: 0.0 };

    /// Settles numbers, with the division by the step that `QuantizeLinear` is defined by.
    pub fn settle(self, numbers: &mut [f32]) {
        if is_vectorised() {
            machine::dispatch(Settling { bounds: self, numbers });
        } else {
            numbers.iter_mut().for_each(|x| *x = self.settled(*x));
        }
    }

    /// One number, with that division.
    #[inline(always)]
    fn settled(self, x: f32) -> f32 {
        let x = self.cut(x);
        if self.step == 0.0 { x } else { ((x / self.step + SHIFT) - SHIFT) * self.step }
    }

    /// One number within the bounds.
    #[inline(always)]
    fn cut(self, x: f32) -> f32 {
        if x < self.low {
            self.low
        } else if x > self.high {
            self.high
        } else {
            x
        }
    }

    /// A vector of numbers within the bounds.
    #[inline(always)]
    fn cuts<S: Simd, V: SimdFloat<S, Element = f32>>(self, simd: S, numbers: V) -> V {
        // The second operand is what comes out where either is NaN.
        V::splat(simd, self.high).min(V::splat(simd, self.low).max(numbers))
    }

    /// One answer.
    #[inline(always)]
    pub(crate) fn answer(self, x: f32) -> f32 {
        let x = self.cut(x);
        if self.step == 0.0 { x } else { (x.mul_add(self.step.recip(), SHIFT) - SHIFT) * self.step }
    }

    /// A vector of answers. A sum that is halfway between two steps but for its own rounding may fall to either, so it is
    /// multiplied rather than divided.
    #[inline(always)]
    pub(crate) fn answers<S: Simd, V: SimdFloat<S, Element = f32>>(self, simd: S, sums: V) -> V {
        let answers = self.cuts(simd, sums);
        if self.step == 0.0 {
            return answers;
        }
        let shift = V::splat(simd, SHIFT);
        let whole = answers.mul_add(V::splat(simd, self.step.recip()), shift) - shift;
        whole * V::splat(simd, self.step)
    }
}

/// 1.5 · 2²³: a sum with it has no bits for what is behind the point. The processors of some boards have no instruction
/// that rounds.
const SHIFT: f32 = 12_582_912.0;

/// Numbers that are settled where they are.
struct Settling<'a> {
    bounds: Bounds,
    numbers: &'a mut [f32],
}

impl machine::Work for Settling<'_> {
    type Outcome = ();

    #[inline(always)]
    fn run<S: Simd, const P: usize, const V: usize>(self, simd: S) {
        let mut vectors = self.numbers.chunks_exact_mut(S::f32s::LEN);
        for numbers in &mut vectors {
            let cut = self.bounds.cuts(simd, S::f32s::from_slice(simd, numbers));
            let settled = if self.bounds.step == 0.0 {
                cut
            } else {
                let (step, shift) = (S::f32s::splat(simd, self.bounds.step), S::f32s::splat(simd, SHIFT));
                ((cut / step + shift) - shift) * step
            };
            settled.store_slice(numbers);
        }
        vectors.into_remainder().iter_mut().for_each(|x| *x = self.bounds.settled(*x));
    }
}
