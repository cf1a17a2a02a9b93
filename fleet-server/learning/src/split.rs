//! Which rows are held out and how folds are cut: seeded, from row numbers and labels alone.

use std::collections::BTreeMap;

use rand::{SeedableRng, seq::SliceRandom};
use rand_pcg::Pcg64;

use crate::{
    TrainError, TrainRequest,
    request::SplitKind,
    table::{Table, Target},
};

/// Rows to fit on and rows to judge on, as indices into the table, rising.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    pub train: Vec<usize>,
    pub test: Vec<usize>,
}

impl Parts {
    fn sorted(mut train: Vec<usize>, mut test: Vec<usize>) -> Self {
        train.sort_unstable();
        test.sort_unstable();
        Self { train, test }
    }
}

/// The hold-out: rows that nothing is fitted on.
pub(crate) fn hold_out(table: &Table, request: &TrainRequest) -> Result<Parts, TrainError> {
    let share = request.split.holdout;
    let rows: Vec<usize> = (0..table.rows()).collect();
    let wanted = |of: usize| ((of as f64 * share).round() as usize).clamp(1, of.saturating_sub(1).max(1));
    let mut rng = Pcg64::seed_from_u64(request.seed);
    let (mut train, mut test) = (Vec::new(), Vec::new());
    match request.split.kind {
        SplitKind::Time => {
            let (early, late) = rows.split_at(rows.len() - wanted(rows.len()));
            (train, test) = (early.to_vec(), late.to_vec());
        }
        SplitKind::Random => {
            let mut rows = rows;
            rows.shuffle(&mut rng);
            train = rows.split_off(wanted(rows.len()));
            test = rows;
        }
        SplitKind::Stratified => {
            for mut rows in strata(table, &rows) {
                rows.shuffle(&mut rng);
                // A label of one row can only be learnt.
                let judged = if rows.len() < 2 { 0 } else { wanted(rows.len()) };
                train.extend(rows.split_off(judged));
                test.extend(rows);
            }
        }
        SplitKind::Group => {
            let total = rows.len();
            let mut groups = by_group(table, &rows);
            if groups.len() < 3 {
                let reason = "a split by group needs at least 3 different groups".into();
                return Err(TrainError::Request {
                    what: "split.group",
                    value: groups.len().to_string(),
                    reason,
                });
            }
            groups.shuffle(&mut rng);
            let count = groups.len();
            for (index, rows) in groups.into_iter().enumerate() {
                // At least two groups remain for the folds.
                let judged = test.is_empty() || (test.len() < wanted(total) && index + 2 < count);
                if judged { test.extend(rows) } else { train.extend(rows) }
            }
        }
    }
    let needed = 2 * request.folds;
    if train.len() < needed || test.is_empty() {
        let target = request.target.clone();
        return Err(TrainError::TooFewRows { target, found: train.len(), needed });
    }
    Ok(Parts::sorted(train, test))
}

/// Folds of the training rows. By time, fold k is judged on block k + 1 and fitted on the blocks before it.
pub(crate) fn folds(table: &Table, train: &[usize], request: &TrainRequest) -> Vec<Parts> {
    let count = request.folds;
    if request.split.kind == SplitKind::Time {
        let cut = |k: usize| train.len() * k / (count + 1);
        return (1..=count)
            .map(|k| Parts { train: train[..cut(k)].to_vec(), test: train[cut(k)..cut(k + 1)].to_vec() })
            .collect();
    }
    // Another stream than the hold-out's, so that folds do not repeat its order.
    let mut rng = Pcg64::seed_from_u64(request.seed ^ 0x666f_6c64_7321);
    let mut deal: Vec<Vec<usize>> = vec![Vec::new(); count];
    let units: Vec<Vec<usize>> = match request.split.kind {
        SplitKind::Group => by_group(table, train),
        SplitKind::Stratified => strata(table, train)
            .into_iter()
            .flat_map(|mut rows| {
                rows.shuffle(&mut rng);
                rows.into_iter().map(|row| vec![row])
            })
            .collect(),
        SplitKind::Random | SplitKind::Time => {
            let mut rows = train.to_vec();
            rows.shuffle(&mut rng);
            rows.into_iter().map(|row| vec![row]).collect()
        }
    };
    let units = if request.split.kind == SplitKind::Group {
        let mut units = units;
        units.shuffle(&mut rng);
        units
    } else {
        units
    };
    for (index, rows) in units.into_iter().enumerate() {
        deal[index % count].extend(rows);
    }
    deal.retain(|rows| !rows.is_empty());
    (0..deal.len())
        .map(|k| {
            let others = deal.iter().enumerate().filter(|(other, _)| *other != k);
            Parts::sorted(others.flat_map(|(_, rows)| rows.iter().copied()).collect(), deal[k].clone())
        })
        .collect()
}

/// Rows by label; a regression has a single stratum.
fn strata(table: &Table, rows: &[usize]) -> Vec<Vec<usize>> {
    match &table.target {
        Target::Labels { labels, indices, .. } => {
            let mut strata = vec![Vec::new(); labels.len()];
            rows.iter().for_each(|row| strata[indices[*row]].push(*row));
            strata.retain(|rows| !rows.is_empty());
            strata
        }
        Target::Numbers(_) => vec![rows.to_vec()],
    }
}

fn by_group(table: &Table, rows: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for row in rows {
        let name = table.groups.as_ref().and_then(|groups| groups.get(*row)).map_or("", String::as_str);
        groups.entry(name).or_default().push(*row);
    }
    groups.into_values().collect()
}
