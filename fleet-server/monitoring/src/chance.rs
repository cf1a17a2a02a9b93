//! Probabilities: normal, chi-square, and many tests at once.

/// Upper tail of the standard normal distribution. Relative error below 1.2e-7 (the Chebyshev fit of erfc in
/// Press et al., "Numerical Recipes", 2nd ed., section 6.2).
pub fn normal_upper(z: f64) -> f64 {
    const FIT: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let fit = FIT.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let erfc = t * (fit - x * x).exp();
    if z >= 0.0 { erfc / 2.0 } else { 1.0 - erfc / 2.0 }
}

/// The value that a standard normal variable exceeds with probability `p`, by bisection of [`normal_upper`].
pub fn normal_limit(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if normal_upper(middle) > p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The value that a chi-square variable exceeds with probability `p` (Wilson and Hilferty, 1931; within 1.5 %
/// for four or more degrees of freedom and p ≥ 1e-3).
pub fn chi_square_limit(freedom: f64, p: f64) -> f64 {
    let k = freedom.max(1.0);
    let c = 2.0 / (9.0 * k);
    k * (1.0 - c + normal_limit(p) * c.sqrt()).max(0.0).powi(3)
}

/// Probability that a chi-square variable exceeds `value`: the same approximation the other way round.
pub fn chi_square_upper(freedom: f64, value: f64) -> f64 {
    let k = freedom.max(1.0);
    let c = 2.0 / (9.0 * k);
    normal_upper(((value.max(0.0) / k).cbrt() - (1.0 - c)) / c.sqrt())
}

/// Which of several tests are discoveries when at most the share `q` of the discoveries may be false
/// (Benjamini and Hochberg, 1995).
pub fn discoveries(p_values: &[f64], q: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let tests = p_values.len() as f64;
    let last =
        order.iter().enumerate().rev().find(|(rank, i)| p_values[**i] <= (*rank as f64 + 1.0) / tests * q);
    let found = last.map_or(0, |(rank, _)| rank + 1);
    let mut discovered = vec![false; p_values.len()];
    order.into_iter().take(found).for_each(|index| discovered[index] = true);
    discovered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distributions_agree_with_published_tables() {
        assert!((normal_upper(1.959_964) - 0.025).abs() < 1e-7);
        assert!((normal_upper(6.0) / 9.865_876e-10 - 1.0).abs() < 1e-5);
        assert!((normal_limit(0.001) - 3.090_232).abs() < 1e-5);
        for (freedom, p, table) in [(9.0, 0.001, 27.877), (9.0, 0.05, 16.919), (4.0, 0.001, 18.467)] {
            let found = chi_square_limit(freedom, p);
            assert!((found / table - 1.0).abs() < 0.015, "{freedom} {p}: {found} for {table}");
            assert!((chi_square_upper(freedom, found) / p - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn many_tests_need_smaller_p_values() {
        assert_eq!(discoveries(&[0.03], 0.05), [true]);
        assert_eq!(discoveries(&[0.03, 0.5, 0.9, 0.7], 0.05), [false; 4]);
        assert_eq!(discoveries(&[0.9, 0.001, 0.02, 0.7], 0.05), [false, true, true, false]);
        assert!(discoveries(&[], 0.05).is_empty());
    }
}
