//! Whether labels that came late say that the model got worse.

use serde::{Deserialize, Serialize};

use crate::{chance::normal_upper, policy::Policy};

/// Labels needed before anything is said.
const ENOUGH: u64 = 30;

/// What the labels of a period say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Labels.
    pub n: u64,
    /// Share of wrong answers.
    pub error: f64,
    /// Share that was expected.
    pub expected: f64,
    /// Chance of as many errors or more if the model were as good as expected.
    pub p_value: f64,
    /// True where that chance is below the policy's false-alarm rate.
    pub worse: bool,
    /// For people; empty when it is not worse.
    pub sentence: String,
}

/// Compares `errors` in `n` labels with the share `expected` (the hold-out error of the bundle's facts, or a
/// baseline) that was itself measured on `expected_n` labels; `None` with too few labels.
///
/// One-sided binomial test: exact while it is cheap (n ≤ 1000), by the normal approximation (at p = 0.001 a quarter too small) with continuity
/// correction beyond. The uncertainty of the expectation is added to its variance.
pub fn accuracy(n: u64, errors: u64, expected: f64, expected_n: u64, policy: &Policy) -> Option<Accuracy> {
    if n < ENOUGH || errors > n || !(0.0..=1.0).contains(&expected) {
        return None;
    }
    // A model without an error on its hold-out rows is not expected to make none for ever.
    let m = expected_n.max(1) as f64;
    let p = (expected * m + 0.5) / (m + 1.0);
    // One standard error up, as far as the expectation itself is not known better.
    let p = (p + (p * (1.0 - p) / m).sqrt()).min(1.0);
    let p_value = if n <= 1000 { exact(n, errors, p) } else { approximate(n, errors, p) };
    let error = errors as f64 / n as f64;
    let worse = p_value < policy.false_alarm && error > expected;
    let sentence = if worse {
        format!("wrong answers {:.0} % of {n}, expected {:.0} %", error * 100.0, expected * 100.0)
    } else {
        String::new()
    };
    Some(Accuracy { n, error, expected, p_value, worse, sentence })
}

/// P(X ≥ errors) for X binomial, summed in logarithms.
fn exact(n: u64, errors: u64, p: f64) -> f64 {
    if errors == 0 || p >= 1.0 {
        return 1.0;
    }
    let odds = (p / (1.0 - p)).ln();
    let mut log_term = n as f64 * (1.0 - p).ln();
    let mut upper = 0.0;
    for k in 0..=n {
        if k >= errors {
            upper += log_term.exp();
        }
        log_term += ((n - k) as f64 / (k + 1) as f64).ln() + odds;
    }
    upper.min(1.0)
}

fn approximate(n: u64, errors: u64, p: f64) -> f64 {
    let n = n as f64;
    let spread = (n * p * (1.0 - p)).sqrt();
    if spread <= 0.0 { 1.0 } else { normal_upper((errors as f64 - 0.5 - n * p) / spread) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binomial_tail_is_exact_and_continues_into_the_normal_one() {
        // P(X >= 8), X ~ B(10, 1/2) = 56 / 1024.
        assert!((exact(10, 8, 0.5) - 56.0 / 1024.0).abs() < 1e-12);
        let (a, b) = (exact(1000, 240, 0.2), approximate(1000, 240, 0.2));
        assert!((a / b - 1.0).abs() < 0.3, "{a} {b}");
    }

    #[test]
    fn a_model_that_got_worse_is_told_from_bad_luck() {
        let policy = Policy::default();
        let fair = accuracy(200, 44, 0.18, 2000, &policy).unwrap();
        assert!(!fair.worse && fair.sentence.is_empty(), "{fair:?}");
        let bad = accuracy(200, 138, 0.18, 2000, &policy).unwrap();
        assert!(bad.worse);
        assert_eq!(bad.sentence, "wrong answers 69 % of 200, expected 18 %");
        assert_eq!(accuracy(5, 5, 0.18, 2000, &policy), None);
    }
}
