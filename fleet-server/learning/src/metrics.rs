//! How good answers are. Values in, a table of names and numbers out.

use std::collections::BTreeMap;

use ndarray::Array2;

/// Metrics by name: `accuracy`, `precision`, `recall`, `f1`, `roc_auc`, `log_loss`, or `rmse`, `mae`, `r2`.
/// A metric that is not defined for the rows is left out.
pub type Scores = BTreeMap<String, f64>;

/// Counts by true label (row) and answered label (column).
pub(crate) fn confusion(truth: &[usize], answers: &[usize], labels: usize) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; labels]; labels];
    for (truth, answer) in truth.iter().zip(answers) {
        counts[*truth][*answer] += 1;
    }
    counts
}

/// Scores of a classifier. With two labels precision, recall and F1 are those of the second label; with more they
/// are means over the labels that occur in the truth (macro). ROC-AUC likewise, one label against the rest.
pub(crate) fn classification(
    truth: &[usize],
    answers: &[usize],
    probabilities: Option<&Array2<f32>>,
    labels: usize,
) -> Scores {
    let counts = confusion(truth, answers, labels);
    let total = truth.len() as f64;
    let right: u64 = (0..labels).map(|k| counts[k][k]).sum();
    let mut scores = Scores::new();
    scores.insert("accuracy".into(), right as f64 / total);
    let occurring: Vec<usize> = (0..labels).filter(|k| counts[*k].iter().sum::<u64>() > 0).collect();
    let judged: Vec<usize> = if labels == 2 { vec![1] } else { occurring.clone() };
    let mean = |of: &dyn Fn(usize) -> f64| judged.iter().map(|k| of(*k)).sum::<f64>() / judged.len() as f64;
    let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let answered = |k: usize| counts.iter().map(|row| row[k]).sum::<u64>();
    let held = |k: usize| counts[k].iter().sum::<u64>();
    scores.insert("precision".into(), mean(&|k| ratio(counts[k][k], answered(k))));
    scores.insert("recall".into(), mean(&|k| ratio(counts[k][k], held(k))));
    scores.insert("f1".into(), mean(&|k| ratio(2 * counts[k][k], answered(k) + held(k))));
    if let Some(probabilities) = probabilities {
        let areas: Vec<f64> = judged
            .iter()
            .filter_map(|k| {
                let positive: Vec<bool> = truth.iter().map(|t| t == k).collect();
                roc_auc(&positive, &probabilities.column(*k).to_vec())
            })
            .collect();
        if !areas.is_empty() {
            scores.insert("roc_auc".into(), areas.iter().sum::<f64>() / areas.len() as f64);
        }
        let loss = |(row, truth): (usize, &usize)| -f64::from(probabilities[(row, *truth)]).max(1e-7).ln();
        scores.insert("log_loss".into(), truth.iter().enumerate().map(loss).sum::<f64>() / total);
    }
    scores
}

/// Area under the ROC curve by ranks, ties counted half (Mann and Whitney, 1947). `None` without both kinds.
pub(crate) fn roc_auc(positive: &[bool], scores: &[f32]) -> Option<f64> {
    let positives = positive.iter().filter(|p| **p).count() as f64;
    let negatives = positive.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut order: Vec<(f32, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut rank_sum) = (0_usize, 0.0);
    for tied in order.chunk_by(|a, b| a.0 == b.0) {
        let rank = below as f64 + (tied.len() as f64 + 1.0) / 2.0;
        rank_sum += rank * tied.iter().filter(|(_, p)| *p).count() as f64;
        below += tied.len();
    }
    Some((rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

/// Scores of a regression. R² is left out where the truth does not vary.
pub(crate) fn regression(truth: &[f64], answers: &[f64]) -> Scores {
    let total = truth.len() as f64;
    let errors = || truth.iter().zip(answers).map(|(t, a)| a - t);
    let squares: f64 = errors().map(|e| e * e).sum();
    let mean = truth.iter().sum::<f64>() / total;
    let spread: f64 = truth.iter().map(|t| (t - mean).powi(2)).sum();
    let mut scores = Scores::new();
    scores.insert("rmse".into(), (squares / total).sqrt());
    scores.insert("mae".into(), errors().map(f64::abs).sum::<f64>() / total);
    if spread > 0.0 {
        scores.insert("r2".into(), 1.0 - squares / spread);
    }
    scores
}

/// Whether the first is better than the second by the metric that people compare by: accuracy for labels (F1 where
/// equal), RMSE for numbers. `None` when the second lacks it.
pub(crate) fn is_better(mine: &Scores, other: &Scores) -> Option<bool> {
    if let (Some(mine), Some(other)) = (mine.get("rmse"), other.get("rmse")) {
        return Some(mine < other);
    }
    let (accuracy, other_accuracy) = (mine.get("accuracy")?, other.get("accuracy")?);
    if accuracy != other_accuracy {
        return Some(accuracy > other_accuracy);
    }
    Some(matches!((mine.get("f1"), other.get("f1")), (Some(a), Some(b)) if a > b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_small_table_are_those_worked_out_by_hand() {
        let truth = [0, 0, 0, 1, 1, 1, 1, 0];
        let answers = [0, 0, 1, 1, 1, 0, 1, 0];
        let scores = classification(&truth, &answers, None, 2);
        assert!((scores["accuracy"] - 0.75).abs() < 1e-12);
        assert!((scores["precision"] - 0.75).abs() < 1e-12);
        assert!((scores["recall"] - 0.75).abs() < 1e-12);
        assert_eq!(confusion(&truth, &answers, 2), vec![vec![3, 1], vec![1, 3]]);
        let scores = regression(&[1.0, 2.0, 3.0], &[1.0, 2.0, 5.0]);
        assert!((scores["rmse"] - (4.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((scores["mae"] - 2.0 / 3.0).abs() < 1e-12);
        assert!((scores["r2"] + 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_area_under_the_curve_counts_ties_half() {
        assert_eq!(roc_auc(&[false, true], &[0.1, 0.9]), Some(1.0));
        assert_eq!(roc_auc(&[false, true], &[0.5, 0.5]), Some(0.5));
        assert_eq!(roc_auc(&[true, true], &[0.5, 0.6]), None);
        let area = roc_auc(&[false, false, true, true], &[0.1, 0.4, 0.35, 0.8]).unwrap();
        assert!((area - 0.75).abs() < 1e-12, "scikit-learn's documented example gives 0.75, found {area}");
    }

    #[test]
    fn more_than_two_labels_are_averaged_over_those_that_occur() {
        let scores = classification(&[0, 1, 1, 2], &[0, 1, 2, 2], None, 4);
        assert!((scores["recall"] - (1.0 + 0.5 + 1.0) / 3.0).abs() < 1e-12);
    }
}
