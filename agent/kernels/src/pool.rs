//! The largest number under a window, and the sum of all, channel by channel.

use crate::{Mismatch, Window};

/// The maxima of a picture `[rows, columns, channels]`. NaN where one is under the window; what is added to the picture
/// counts for nothing.
pub fn maxima(window: &Window, channels: usize, input: &[f32], output: &mut [f32]) -> Result<(), Mismatch> {
    let [rows, columns] = window.output().ok_or(Mismatch)?;
    let [input_rows, input_columns] = window.input;
    if channels == 0
        || input.len() != input_rows * input_columns * channels
        || output.len() != rows * columns * channels
    {
        return Err(Mismatch);
    }
    for (step, output) in output.chunks_exact_mut(channels).enumerate() {
        output.fill(f32::NEG_INFINITY);
        let step = [step / columns, step % columns];
        for tap in 0..window.kernel[0] * window.kernel[1] {
            let tap = [tap / window.kernel[1], tap % window.kernel[1]];
            if let Some(point) = window.point(step, tap) {
                for (largest, x) in output.iter_mut().zip(&input[point * channels..][..channels]) {
                    *largest = if *x > *largest || x.is_nan() { *x } else { *largest };
                }
            }
        }
    }
    Ok(())
}

/// The sums of a picture `[rows, columns, channels]`. Row by row, so that what long sums lose is less.
pub fn sums(
    [rows, columns, channels]: [usize; 3],
    input: &[f32],
    output: &mut [f32],
) -> Result<(), Mismatch> {
    let width = columns.checked_mul(channels).filter(|width| *width > 0).ok_or(Mismatch)?;
    if rows.checked_mul(width) != Some(input.len()) || output.len() != channels {
        return Err(Mismatch);
    }
    let mut of_row = vec![0.0; channels];
    output.fill(0.0);
    for row in input.chunks_exact(width) {
        of_row.fill(0.0);
        row.chunks_exact(channels).for_each(|point| add(&mut of_row, point));
        add(output, &of_row);
    }
    Ok(())
}

fn add(sums: &mut [f32], numbers: &[f32]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, x)| *sum += x);
}
