//! Convolutions in single precision, as fast as the processor goes.
//!
//! Pictures and windows lie with their channels last, `[rows, columns, channels]`: so every length but that of the
//! channels may be small, and vectors are full all the same. A window of a series is a picture of one row. In reading
//! order: [`machine`] picks the vectors of the processor; [`bounds`] is what answers are settled to; [`window`] says which
//! points a kernel sees; [`dense`] mixes channels (convolutions and fully connected layers), [`depthwise`] does not and
//! goes along rows by [`slide`]; [`pool`] takes maxima and sums; [`zeros`] is where answers are written.
//!
//! A crate of its own because it is optimised where the rest of the agent is made small. Of the engine it knows the
//! tensor.

// Loops that count to a constant are unrolled, so that what they index stays in registers; iterators are not always.
#![allow(clippy::needless_range_loop)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod bounds;
pub mod dense;
pub mod depthwise;
mod machine;
pub mod pool;
mod slide;
pub mod window;

pub use bounds::Bounds;
pub use dense::Filters;
pub use depthwise::Taps;
pub use machine::is_vectorised;
pub use window::{Channels, Window};

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
