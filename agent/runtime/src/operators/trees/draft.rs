//! Trees as a model file tells of them, before they are laid out for walking.

use tract_onnx::tract_hir::internal::*;

/// What a branch asks of its feature's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    LessOrEqual(f64),
    Less(f64),
    GreaterOrEqual(f64),
    Greater(f64),
    Equal(f64),
    NotEqual(f64),
    Member(Vec<f64>),
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Branch {
        test: Test,
        feature: u32,
        when_true: usize,
        when_false: usize,
        missing_is_true: bool,
    },
    /// A range of [`Draft::weights`].
    Leaf {
        start: u32,
        end: u32,
    },
}

/// Children are places in `steps`.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) steps: Vec<Step>,
    pub(super) roots: Vec<usize>,
    /// Target (or class) and weight.
    pub(super) weights: Vec<(u32, f64)>,
    /// Number of targets or classes.
    pub(super) targets: usize,
    /// Thresholds and weights are double precision.
    pub(super) is_double: bool,
}

/// A test as one of two, which with another order of children and another answer for NaN are all that there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plain {
    /// x ≠ value, else x ≤ value.
    pub(super) is_unequal: bool,
    pub(super) value: f64,
    /// The value is the last one below this.
    pub(super) is_below: bool,
    /// The children change places.
    pub(super) swapped: bool,
    /// NaN goes where the comparison does not send it.
    pub(super) flips_missing: bool,
}

impl Test {
    /// The plain tests that it stands for, in a row: each leads on when true, and to the same node when false.
    pub(super) fn plain(&self, missing_is_true: bool) -> TVec<Plain> {
        let at_most = |value: f64, is_below, swapped: bool| {
            // Comparisons with NaN are false, of x as of the value.
            let swapped = swapped && !value.is_nan();
            let flips_missing = missing_is_true != swapped;
            tvec![Plain { is_unequal: false, value, is_below, swapped, flips_missing }]
        };
        let unequal = |value, flips_missing, swapped| Plain {
            is_unequal: true,
            value,
            is_below: false,
            swapped,
            flips_missing,
        };
        match self {
            Test::LessOrEqual(value) => at_most(*value, false, false),
            Test::Less(value) => at_most(*value, true, false),
            Test::GreaterOrEqual(value) => at_most(*value, true, true),
            Test::Greater(value) => at_most(*value, false, true),
            Test::NotEqual(value) => tvec![unequal(*value, false, false)],
            Test::Equal(value) => tvec![unequal(*value, missing_is_true, true)],
            // Every number is unlike NaN.
            Test::Member(values) if values.is_empty() => tvec![unequal(f64::NAN, missing_is_true, true)],
            Test::Member(values) => {
                values.iter().map(|value| unequal(*value, missing_is_true, true)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = f64> {
        let odd = [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        prop_oneof![proptest::sample::select(odd.to_vec()), -3.0..3.0_f64]
    }

    proptest! {
        #[test]
        fn plain_tests_decide_as_the_original(
            x in number(), value in number(), more in number(), missing_is_true: bool, kind in 0..8_usize,
        ) {
            let (test, holds) = match kind {
                0 => (Test::LessOrEqual(value), x <= value),
                1 => (Test::Less(value), x < value),
                2 => (Test::GreaterOrEqual(value), x >= value),
                3 => (Test::Greater(value), x > value),
                4 => (Test::Equal(value), x == value),
                5 => (Test::NotEqual(value), x != value),
                6 => (Test::Member(vec![]), false),
                _ => (Test::Member(vec![value, more]), x == value || x == more),
            };
            let expected = holds || missing_is_true && x.is_nan();
            let mut found = None;
            let plain = test.plain(missing_is_true);
            for plain in &plain {
                let goes = match plain {
                    Plain { is_unequal: true, .. } => x != plain.value,
                    Plain { is_below: true, .. } => x < plain.value,
                    _ => x <= plain.value,
                };
                found = Some((goes != (plain.flips_missing && x.is_nan())) != plain.swapped);
                if found == Some(plain.swapped) {
                    break;
                }
            }
            prop_assert_eq!(found, Some(expected), "{:?}", plain);
        }
    }
}
