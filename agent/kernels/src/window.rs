//! Which points of a picture a kernel sees.

use std::borrow::Cow;

use crate::Mismatch;

/// A kernel that steps over a picture of `[rows, columns]`; each pair is of rows and columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// Length of the picture.
    pub input: [usize; 2],
    /// Length of the kernel.
    pub kernel: [usize; 2],
    /// Points from one step to the next.
    pub stride: [usize; 2],
    /// Points from one number of the kernel to the next.
    pub dilation: [usize; 2],
    /// Points before the picture where it is zero.
    pub before: [usize; 2],
    /// Points after it.
    pub after: [usize; 2],
}

impl Window {
    /// A kernel of one point on a row of `points`.
    pub fn of_points(points: usize) -> Self {
        let one = [1, 1];
        Window { input: [1, points], kernel: one, stride: one, dilation: one, before: [0, 0], after: [0, 0] }
    }

    /// Steps over rows and over columns. `None` where the kernel does not fit in, or a length is none.
    pub fn output(&self) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let reach = self.kernel[axis].checked_sub(1)?.checked_mul(self.dilation[axis])?.checked_add(1)?;
            let padded = self.padded(axis)?;
            padded.checked_sub(reach)?.checked_div(self.stride[axis])?.checked_add(1)
        };
        Some([along(0)?, along(1)?])
    }

    /// Length of the picture with what is added to it.
    pub(crate) fn padded(&self, axis: usize) -> Option<usize> {
        self.input[axis].checked_add(self.before[axis])?.checked_add(self.after[axis])
    }

    /// Numbers of the kernel.
    pub fn taps(&self) -> Option<usize> {
        self.kernel[0].checked_mul(self.kernel[1])
    }

    /// Whether the picture with its zeros is not much larger than without: it may be copied.
    pub fn is_modest(&self) -> bool {
        let points = |lengths: [Option<usize>; 2]| lengths[0]?.checked_mul(lengths[1]?);
        let most = points(self.input.map(Some)).and_then(|points| points.checked_mul(4)?.checked_add(1024));
        points([self.padded(0), self.padded(1)]).is_some_and(|padded| most.is_some_and(|most| padded <= most))
    }

    /// The point that the first number of the kernel meets at a step where all of them meet one.
    #[inline(always)]
    pub(crate) fn inside(&self, step: [usize; 2]) -> Option<usize> {
        let along = |axis: usize| {
            let place = (step[axis] * self.stride[axis]).checked_sub(self.before[axis])?;
            let last = place + (self.kernel[axis] - 1) * self.dilation[axis];
            (last < self.input[axis]).then_some(place)
        };
        Some(along(0)? * self.input[1] + along(1)?)
    }

    /// Whether zeros are added to the picture.
    pub(crate) fn is_padded(&self) -> bool {
        self.before != [0, 0] || self.after != [0, 0]
    }

    /// The point that a number of the kernel meets at a step; `None` where it meets an added zero.
    #[inline(always)]
    pub(crate) fn point(&self, step: [usize; 2], tap: [usize; 2]) -> Option<usize> {
        let along = |axis: usize| {
            let place = step[axis] * self.stride[axis] + tap[axis] * self.dilation[axis];
            place.checked_sub(self.before[axis]).filter(|place| *place < self.input[axis])
        };
        Some(along(0)? * self.input[1] + along(1)?)
    }
}

/// Where a picture has its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// `[channels, rows, columns]`
    First,
    /// `[rows, columns, channels]`
    Last,
}

/// The picture with its channels last and the zeros that are added to it.
pub(crate) fn padded<'a>(
    window: &Window,
    channels: usize,
    order: Channels,
    input: &'a [f32],
) -> Result<Cow<'a, [f32]>, Mismatch> {
    if order == Channels::Last && !window.is_padded() {
        return Ok(Cow::Borrowed(input));
    }
    let width = window.padded(1).ok_or(Mismatch)?;
    let points = window.padded(0).and_then(|rows| rows.checked_mul(width));
    let count = points.and_then(|points| points.checked_mul(channels)).ok_or(Mismatch)?;
    let (mut wide, [rows, columns]) = (vec![0.0; count], window.input);
    for row in 0..rows {
        let at = ((row + window.before[0]) * width + window.before[1]) * channels;
        let wide = &mut wide[at..][..columns * channels];
        if order == Channels::Last {
            wide.copy_from_slice(&input[row * columns * channels..][..columns * channels]);
            continue;
        }
        for channel in 0..channels {
            let from = &input[(channel * rows + row) * columns..][..columns];
            let places = wide[channel..].iter_mut().step_by(channels);
            places.zip(from).for_each(|(place, x)| *place = *x);
        }
    }
    Ok(Cow::Owned(wide))
}
