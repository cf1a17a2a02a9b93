//! What answers are settled to: an activation such as ReLU or ReLU6, and the steps of a quantized tensor.

use fearless_simd::{Simd, SimdBase, SimdFloat};

use crate::machine::{Work, dispatch, is_vectorised};

/// What answers are settled to. NaN stays NaN.
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
            dispatch(Settling { bounds: self, numbers });
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
}

/// Bounds for many sums, with the reciprocal of their step. A sum that is halfway between two steps but for its own
/// rounding may fall to either, so it is multiplied rather than divided.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    bounds: Bounds,
    reciprocal: f32,
}

impl From<Bounds> for Ending {
    fn from(bounds: Bounds) -> Self {
        Ending { bounds, reciprocal: bounds.step.recip() }
    }
}

impl Ending {
    /// One answer.
    #[inline(always)]
    pub(crate) fn answer(self, sum: f32) -> f32 {
        let x = self.bounds.cut(sum);
        let step = self.bounds.step;
        if step == 0.0 { x } else { (x.mul_add(self.reciprocal, SHIFT) - SHIFT) * step }
    }

    /// A vector of answers.
    #[inline(always)]
    pub(crate) fn answers<S: Simd, V: SimdFloat<S, Element = f32>>(self, simd: S, sums: V) -> V {
        let answers = self.bounds.cuts(simd, sums);
        if self.bounds.step == 0.0 {
            return answers;
        }
        let shift = V::splat(simd, SHIFT);
        let whole = answers.mul_add(V::splat(simd, self.reciprocal), shift) - shift;
        whole * V::splat(simd, self.bounds.step)
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

impl Work for Settling<'_> {
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
