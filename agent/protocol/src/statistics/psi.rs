//! The population stability index, one definition for the trainer's reference and for monitoring.
//!
//! PSI = Σ (w − r) · ln(w / r) over groups of bins, with the shares r of the reference and w of the window
//! (Yurdakul, "Statistical Properties of Population Stability Index", 2018). What a value of it means is not
//! decided here.

/// Groups that the drift limits are made for.
pub const PSI_GROUPS: usize = 10;

/// Added to the count of every group of both rows, so that an empty group has a finite logarithm.
const SMOOTHING: f64 = 0.5;

/// First index of each group when the bins of a reference row ([`super::NumericStatistics::row`]) are merged into
/// about `target` groups of equal share.
///
/// A bin that alone holds a group's share stays alone, so that neither a heavy value nor what lies beside it is
/// hidden by the other; a column that was constant in training has the groups below, at and above its value.
/// There may then be up to `2 · target + 1` groups. The first index is always 0.
pub fn merge_bins(reference_row: &[u64], target: usize) -> Vec<usize> {
    let target = target.max(1) as u128;
    let total = sum(reference_row);
    let heavy = |count: u64| total > 0 && u128::from(count) * target >= total;
    let mut starts = Vec::new();
    let mut from = 0;
    for run in reference_row.chunk_by(|a, b| !heavy(*a) && !heavy(*b)) {
        starts.push(from);
        let held = sum(run);
        // Rounded to the nearest number of whole shares.
        let groups = ((2 * held * target + total) / (2 * total).max(1)).max(1);
        let (mut seen, mut closed) = (0_u128, 0_u128);
        for (offset, count) in run.iter().enumerate() {
            seen += u128::from(*count);
            let full = seen * groups >= held * (closed + 1);
            if full && closed + 1 < groups && offset + 1 < run.len() && held > 0 {
                starts.push(from + offset + 1);
                closed += 1;
            }
        }
        from += run.len();
    }
    if starts.is_empty() {
        starts.push(0);
    }
    starts
}

/// PSI of a window against a reference, both rows over the same bins, after merging the bins into about
/// `target` groups of equal reference share. Half a count is added to every group of both rows.
///
/// `None` when the rows differ in length or one of them counts nothing.
pub fn psi(reference_row: &[u64], window_row: &[u64], target: usize) -> Option<f64> {
    if reference_row.len() != window_row.len() || sum(reference_row) == 0 || sum(window_row) == 0 {
        return None;
    }
    let starts = merge_bins(reference_row, target);
    let reference = shares(reference_row, &starts);
    let window = shares(window_row, &starts);
    Some(reference.iter().zip(&window).map(|(r, w)| (w - r) * (w / r).ln()).sum())
}

fn sum(row: &[u64]) -> u128 {
    row.iter().map(|count| u128::from(*count)).sum()
}

fn shares(row: &[u64], starts: &[usize]) -> Vec<f64> {
    let ends = starts.iter().skip(1).copied().chain([row.len()]);
    let counts: Vec<f64> = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| sum(row.get(*start..end).unwrap_or_default()) as f64 + SMOOTHING)
        .collect();
    let total: f64 = counts.iter().sum();
    counts.into_iter().map(|count| count / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(bins: usize, count: u64) -> Vec<u64> {
        let mut row = vec![count; bins + 2];
        (row[0], row[bins + 1]) = (0, 0);
        row
    }

    #[test]
    fn sixty_four_even_bins_become_ten_groups_of_about_a_tenth() {
        let row = even(64, 100);
        let starts = merge_bins(&row, 10);
        assert_eq!(starts.len(), 10);
        assert_eq!(starts[0], 0);
        let ends = starts.iter().skip(1).copied().chain([row.len()]);
        for (start, end) in starts.iter().zip(ends) {
            let held: u64 = row[*start..end].iter().sum();
            assert!((500..=800).contains(&held), "{starts:?}");
        }
    }

    #[test]
    fn equal_rows_have_no_distance_and_it_grows_with_the_shift() {
        let row = even(64, 100);
        assert!(psi(&row, &row, 10).unwrap().abs() < 1e-12);
        let shifted = |by: usize| {
            let mut window = vec![0; row.len()];
            for (index, count) in row.iter().enumerate() {
                window[(index + by).min(row.len() - 1)] += count;
            }
            psi(&row, &window, 10).unwrap()
        };
        assert!(shifted(2) < shifted(6) && shifted(6) < shifted(20));
        assert!(shifted(20) > 0.25);
    }

    #[test]
    fn a_column_that_was_constant_shows_values_beside_it() {
        let reference = [0, 500, 0];
        assert_eq!(merge_bins(&reference, 10), vec![0, 1, 2]);
        assert!(psi(&reference, &[0, 200, 0], 10).unwrap() < 0.02);
        assert!(psi(&reference, &[0, 0, 200], 10).unwrap() > 1.0);
    }

    #[test]
    fn a_heavy_value_is_a_group_of_its_own() {
        let mut row = even(20, 10);
        row[1] = 800;
        let starts = merge_bins(&row, 10);
        assert_eq!(&starts[..3], &[0, 1, 2]);
    }

    #[test]
    fn rows_that_cannot_be_compared_have_no_distance() {
        assert_eq!(psi(&[1, 2], &[1, 2, 3], 10), None);
        assert_eq!(psi(&[0, 0], &[1, 2], 10), None);
        assert_eq!(psi(&[1, 2], &[0, 0], 10), None);
        assert_eq!(psi(&[], &[], 10), None);
        assert!(psi(&[u64::MAX, u64::MAX], &[1, u64::MAX], 0).unwrap().is_finite());
    }
}
