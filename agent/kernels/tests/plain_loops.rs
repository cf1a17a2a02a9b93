//! Against loops that follow the definitions.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use dunlin_kernels::{Added, Bounds, Channels, Filters, Mismatch, Taps, Window, is_vectorised, pool};
use proptest::prelude::*;

/// Lengths of kernels, square ones often.
fn kernels() -> impl Strategy<Value = [usize; 2]> {
    prop_oneof![[1..6_usize, 1..6_usize], (1..6_usize).prop_map(|length| [length, length])]
}

/// Large pictures, of which most steps see no zeros.
fn large_windows() -> impl Strategy<Value = Window> {
    (kernels(), [1..4_usize, 1..4], [0..4_usize, 0..4], [0..4_usize, 0..4], 1..3_usize).prop_map(
        |(kernel, stride, before, after, dilation)| Window {
            input: [25, 29],
            kernel,
            stride,
            dilation: [dilation, 1],
            before,
            after,
        },
    )
}

/// Numbers of a kernel's size and a picture's, larger ones rarely met but wider than every vector.
fn windows() -> impl Strategy<Value = Window> {
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    (pair(1..12), kernels(), pair(1..4), pair(1..4), pair(0..3), pair(0..3))
        .prop_map(|(input, kernel, stride, dilation, before, after)| Window {
            input,
            kernel,
            stride,
            dilation,
            before,
            after,
        })
        .prop_filter("the kernel fits in", |window| window.output().is_some())
}

fn bounds() -> impl Strategy<Value = Bounds> {
    prop_oneof![
        Just(Bounds::NONE),
        Just(Bounds { low: 0.0, ..Bounds::NONE }),
        Just(Bounds { low: 0.0, high: 0.5, step: 0.0 }),
        Just(Bounds { low: -0.64, high: 0.635, step: 0.005 })
    ]
}

/// Made-up numbers between −1 and 1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let next = |index: usize| (index as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..count).map(|index| next(index) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Each step of the window with each number of the kernel that meets the picture: (step, tap, point).
fn meetings(window: &Window) -> Vec<(usize, usize, usize)> {
    let [rows, columns] = window.output().unwrap();
    let mut found = Vec::new();
    for (step, tap) in
        (0..rows * columns).flat_map(|step| (0..window.taps().unwrap()).map(move |tap| (step, tap)))
    {
        let along = |axis: usize, step: usize, tap: usize| {
            let place =
                (step * window.stride[axis] + tap * window.dilation[axis]).checked_sub(window.before[axis]);
            place.filter(|place| *place < window.input[axis])
        };
        let row = along(0, step / columns, tap / window.kernel[1]);
        if let (Some(row), Some(column)) = (row, along(1, step % columns, tap % window.kernel[1])) {
            found.push((step, tap, row * window.input[1] + column));
        }
    }
    found
}

fn steps(window: &Window) -> usize {
    window.output().unwrap().iter().product()
}

fn assert_near(found: &[f32], wanted: &[f64], bounds: Bounds) {
    for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let (found, step) = (f64::from(*found), f64::from(bounds.step));
        let wanted = wanted.clamp(f64::from(bounds.low), f64::from(bounds.high));
        assert!((found - wanted).abs() < 2e-5 + step / 2.0, "{index}: {found} for {wanted}");
        let steps = if step == 0.0 { 0.0 } else { found / step };
        assert!((steps - steps.round()).abs() < 1e-4, "{index}: {found} is {steps} steps");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_dense_convolution_is_the_sum_over_taps_and_inputs(
        window in windows(), inputs in 1_usize..40, outputs in 1_usize..120, adds: bool, turns: bool, bounds in bounds(), seed: u32,
    ) {
        let (taps, steps, points) = (window.taps().unwrap(), steps(&window), window.input[0] * window.input[1]);
        let scale = 1.0 / (taps * inputs) as f32;
        let weights: Vec<f32> = numbers(outputs * taps * inputs, seed.into()).iter().map(|x| x * scale).collect();
        let (bias, x) = (numbers(outputs, 7), numbers(points * inputs, 9));
        let added = adds.then(|| numbers(steps * outputs, 11));
        let at = |output: usize, tap: usize, input: usize| weights[(output * taps + tap) * inputs + input];
        let mut wanted: Vec<f64> = (0..steps * outputs)
            .map(|index| f64::from(bias[index % outputs]) + added.as_ref().map_or(0.0, |added| f64::from(added[index])))
            .collect();
        for (step, tap, point) in meetings(&window) {
            for (output, wanted) in wanted[step * outputs..][..outputs].iter_mut().enumerate() {
                *wanted += (0..inputs).map(|i| f64::from(x[point * inputs + i]) * f64::from(at(output, tap, i))).sum::<f64>();
            }
        }
        let filters = Filters::new([outputs, taps, inputs], &bias, at).unwrap();
        let mut found = vec![f32::NAN; steps * outputs];
        let added = added.as_deref().map(|numbers| Added { before: Bounds::NONE, numbers });
        let first: Vec<f32> = (0..points * inputs).map(|at| x[at % points * inputs + at / points]).collect();
        let picture = if turns { (Channels::First, &*first) } else { (Channels::Last, &*x) };
        filters.convolve(&window, bounds, picture, added, &mut found).unwrap();
        assert_near(&found, &wanted, bounds);
    }

    #[test]
    fn a_depthwise_convolution_is_the_sum_over_taps(
        window in windows(), channels in 1_usize..70, bounds in bounds(), seed: u32,
    ) {
        assert_depthwise(&window, channels, bounds, seed.into());
    }

    #[test]
    fn maxima_are_those_of_the_points_under_the_window(window in windows(), channels in 1_usize..40, seed: u32) {
        let x = numbers(window.input[0] * window.input[1] * channels, seed.into());
        let mut wanted = vec![f32::NEG_INFINITY; steps(&window) * channels];
        for (step, _, point) in meetings(&window) {
            for channel in 0..channels {
                let largest = &mut wanted[step * channels + channel];
                *largest = largest.max(x[point * channels + channel]);
            }
        }
        let mut found = vec![f32::NAN; wanted.len()];
        pool::maxima(&window, channels, &x, &mut found).unwrap();
        prop_assert_eq!(found, wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn steps_at_the_edges_of_a_large_picture_see_zeros_beyond(
        window in large_windows(), channels in 48_usize..70, bounds in bounds(), seed: u32,
    ) {
        assert_depthwise(&window, channels, bounds, seed.into());
    }
}

fn assert_depthwise(window: &Window, channels: usize, bounds: Bounds, seed: u64) {
    let (taps, steps, points) = (window.taps().unwrap(), steps(window), window.input[0] * window.input[1]);
    let (weights, bias, x) =
        (numbers(channels * taps, seed), numbers(channels, 7), numbers(points * channels, 9));
    let mut wanted: Vec<f64> = (0..steps * channels).map(|index| f64::from(bias[index % channels])).collect();
    for (step, tap, point) in meetings(window) {
        for channel in 0..channels {
            wanted[step * channels + channel] +=
                f64::from(x[point * channels + channel]) * f64::from(weights[channel * taps + tap]);
        }
    }
    let kernels = Taps::new([channels, taps], &bias, |channel, tap| weights[channel * taps + tap]).unwrap();
    let mut found = vec![f32::NAN; steps * channels];
    kernels.convolve(window, bounds, &x, &mut found).unwrap();
    assert_near(&found, &wanted, bounds);
}

#[test]
fn sums_are_those_of_each_channel() {
    let x = numbers(5 * 7 * 3, 1);
    let mut found = [f32::NAN; 3];
    pool::sums([5, 7, 3], &x, &mut found).unwrap();
    for (channel, found) in found.into_iter().enumerate() {
        let wanted: f64 = x.iter().skip(channel).step_by(3).map(|x| f64::from(*x)).sum();
        assert!((f64::from(found) - wanted).abs() < 1e-5, "{found} for {wanted}");
    }
    pool::sums([1, 1, 2], &[f32::NAN, 1.0], &mut found[..2]).unwrap();
    assert!(found[0].is_nan() && found[1] == 1.0);
    assert_eq!(pool::sums([5, 0, 3], &[], &mut found), Err(Mismatch));
    assert_eq!(pool::sums([2, 2, 3], &x, &mut found), Err(Mismatch));
}

#[test]
fn a_kernel_of_many_numbers_is_summed_group_by_group() {
    let window =
        Window { input: [9, 20], kernel: [5, 7], before: [2, 3], after: [2, 3], ..Window::of_points(1) };
    let (taps, x) = (numbers(35, 3), numbers(180, 5));
    let mut wanted = vec![0.0; 180];
    for (step, tap, point) in meetings(&window) {
        wanted[step] += f64::from(taps[tap]) * f64::from(x[point]);
    }
    let mut found = vec![0.0; 180];
    let kernels = Taps::new([1, 35], &[0.0], |_, tap| taps[tap]).unwrap();
    kernels.convolve(&window, Bounds::NONE, &x, &mut found).unwrap();
    assert_near(&found, &wanted, Bounds::NONE);
}

#[test]
fn answers_are_settled_before_something_is_added_too() {
    for channels in [1, 7, 16, 50] {
        let filters =
            Filters::new([channels, 1, 1], &vec![0.0; channels], |output, _, _| output as f32).unwrap();
        let numbers = vec![0.25; 2 * channels];
        let added = Added { before: Bounds { low: -3.0, high: 8.0, step: 2.0 }, numbers: &numbers };
        let mut found = vec![f32::NAN; 2 * channels];
        let bounds = Bounds { low: f32::NEG_INFINITY, high: 6.0, step: 0.0 };
        filters
            .convolve(&Window::of_points(2), bounds, (Channels::Last, &[1.1, -1.1]), Some(added), &mut found)
            .unwrap();
        let wanted = |output: usize, x: f32| {
            let settled = ((output as f32 * x).clamp(-3.0, 8.0) / 2.0).round_ties_even() * 2.0;
            (settled + 0.25).min(6.0)
        };
        let wanted: Vec<f32> =
            [1.1, -1.1].iter().flat_map(|x| (0..channels).map(move |o| wanted(o, *x))).collect();
        assert_eq!(found, wanted, "{channels}");
    }
}

#[test]
fn nan_stays_nan_within_bounds() {
    // Without vectors these kernels are not used.
    if !is_vectorised() {
        return;
    }
    let bounds = Bounds { low: 0.0, high: 6.0, step: 0.0 };
    for channels in [1, 16, 48] {
        let x = vec![f32::NAN; channels * 3];
        let mut found = vec![0.0; channels * 3];
        let filters = Filters::new([channels, 1, channels], &vec![0.0; channels], |_, _, _| 1.0).unwrap();
        filters.convolve(&Window::of_points(3), bounds, (Channels::Last, &x), None, &mut found).unwrap();
        assert!(found.iter().all(|x| x.is_nan()), "{found:?}");
        found.fill(0.0);
        let taps = Taps::new([channels, 1], &vec![0.0; channels], |_, _| 1.0).unwrap();
        taps.convolve(&Window::of_points(3), bounds, &x, &mut found).unwrap();
        assert!(found.iter().all(|x| x.is_nan()), "{found:?}");
        found.fill(0.0);
        pool::maxima(&Window::of_points(3), channels, &x, &mut found).unwrap();
        assert!(found.iter().all(|x| x.is_nan()), "{found:?}");
    }
}

#[test]
fn what_does_not_fit_its_shape_is_refused() {
    let window = Window { input: [4, 4], kernel: [3, 3], ..Window::of_points(1) };
    assert_eq!(window.output(), Some([2, 2]));
    assert!(window.is_modest() && !Window { after: [1 << 30, 0], ..window.clone() }.is_modest());
    assert_eq!(Window { stride: [0, 1], ..window.clone() }.output(), None);
    assert_eq!(Window { kernel: [5, 5], ..window.clone() }.output(), None);
    assert_eq!(Window { dilation: [usize::MAX, 1], ..window.clone() }.output(), None);
    assert!(Filters::new([0, 1, 1], &[], |_, _, _| 0.0).is_err());
    let filters = Filters::new([1, 9, 1], &[0.0], |_, _, _| 0.0).unwrap();
    let mut short = [0.0; 3];
    assert_eq!(
        filters.convolve(&window, Bounds::NONE, (Channels::Last, &[0.0; 16]), None, &mut short),
        Err(Mismatch)
    );
    let taps = Taps::new([1, 9], &[0.0], |_, _| 0.0).unwrap();
    assert_eq!(taps.convolve(&window, Bounds::NONE, &[0.0; 15], &mut [0.0; 4]), Err(Mismatch));
    assert_eq!(pool::maxima(&window, 0, &[], &mut []), Err(Mismatch));
}

#[test]
fn numbers_are_settled_to_the_nearest_step_within_the_bounds() {
    let bounds = Bounds { low: -1.0, high: 2.0, step: 0.5 };
    // Several times over: in vectors, and what is left of them.
    let mut numbers =
        [-7.0, -0.76, -0.75, -0.25, 0.2, 0.25, 0.75, 1.9, 9.0, f32::INFINITY, f32::NAN].repeat(5);
    bounds.settle(&mut numbers);
    for numbers in numbers.chunks(11) {
        assert_eq!(numbers[..10], [-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 2.0]);
        assert!(numbers[10].is_nan());
    }
    let mut numbers = [-7.0, 0.3, 9.0];
    Bounds { step: 0.0, ..bounds }.settle(&mut numbers);
    assert_eq!(numbers, [-1.0, 0.3, 2.0]);
}
