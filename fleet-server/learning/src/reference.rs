//! The training distribution that devices' windows are compared with.

use dunlin_protocol::statistics::{
    Bins, CategoryRecorder, CategoryStatistics, FeatureReference, NumericRecorder, OutputRecorder,
    OutputReference, Reference, Spread,
    psi::{PSI_GROUPS, psi},
};

use crate::{
    dataset::{Column, Values},
    pipeline::{Answers, Pipeline},
    preprocessing::Step,
    request::SplitKind,
    table::Table,
};

/// Rows per block, from an hour of minutes to most of a day.
const BLOCKS: [usize; 5] = [50, 100, 200, 400, 800];

/// Fewer blocks than this say nothing about their spread.
const FEWEST_BLOCKS: usize = 4;

/// Counts the training rows, and the model's answers on rows that it was not fitted on.
pub(crate) fn collect(
    table: &Table,
    pipeline: &Pipeline,
    train: &[usize],
    split: SplitKind,
    answers: &Answers,
) -> Reference {
    let ordered = split == SplitKind::Time;
    let features = table
        .features
        .iter()
        .zip(&pipeline.preprocessing.steps)
        .map(|(column, step)| feature(column, step, train, ordered))
        .collect();
    Reference { rows: train.len() as u64, features, outputs: outputs(answers) }
}

fn feature(column: &Column, step: &Step, train: &[usize], ordered: bool) -> FeatureReference {
    match (&column.values, step) {
        (Values::Numbers(values), _) => {
            let values: Vec<f32> = train.iter().map(|row| values[*row] as f32).collect();
            // Without any finite value there is nothing to tell apart; one bin around zero counts everything else.
            let bins = Bins::from_values(&values).or_else(|| Bins::from_values(&[0.0]));
            match bins {
                Some(bins) => numeric(bins, &values, ordered),
                None => category(Vec::new(), &[], false),
            }
        }
        (Values::Texts(values), Step::Text(known)) => {
            let texts: Vec<&str> = train.iter().map(|row| values[*row].as_str()).collect();
            category(known.clone(), &texts, ordered)
        }
        (Values::Texts(_), Step::Number(_)) => category(Vec::new(), &[], false),
    }
}

fn category(known: Vec<String>, texts: &[&str], ordered: bool) -> FeatureReference {
    let count = |texts: &[&str]| {
        let mut recorder = CategoryRecorder::new(known.clone());
        texts.iter().for_each(|text| recorder.observe(text));
        recorder.take()
    };
    let statistics = count(texts);
    let row = |statistics: &CategoryStatistics| [&statistics.known.0[..], &[statistics.other]].concat();
    let spread = spread(texts, ordered, &row(&statistics), |block| row(&count(block)));
    FeatureReference::Category { categories: known, statistics, spread }
}

fn numeric(bins: Bins, values: &[f32], ordered: bool) -> FeatureReference {
    let count = |values: &[f32]| {
        let mut recorder = NumericRecorder::new(bins.clone());
        values.iter().for_each(|value| recorder.observe(*value));
        recorder.take()
    };
    let statistics = count(values);
    let spread = spread(values, ordered, &statistics.row(), |block| count(block).row());
    FeatureReference::Numeric { bins, statistics, spread }
}

/// How blocks of consecutive rows differ from the `whole`, by rising length; nothing where rows have no order.
fn spread<T>(values: &[T], ordered: bool, whole: &[u64], row: impl Fn(&[T]) -> Vec<u64>) -> Vec<Spread> {
    let lengths = BLOCKS.iter().filter(|_| ordered);
    lengths.filter_map(|rows| block_spread(values, *rows, whole, &row)).collect()
}

/// How far blocks of consecutive rows are from the whole; `None` with too few blocks.
fn block_spread<T>(
    values: &[T],
    rows: usize,
    whole: &[u64],
    row: impl Fn(&[T]) -> Vec<u64>,
) -> Option<Spread> {
    let mut distances: Vec<f64> =
        values.chunks_exact(rows).filter_map(|block| psi(whole, &row(block), PSI_GROUPS)).collect();
    if distances.len() < FEWEST_BLOCKS {
        return None;
    }
    distances.sort_unstable_by(f64::total_cmp);
    let rank = (distances.len() * 95).div_ceil(100).clamp(1, distances.len());
    let psi_max = *distances.last()?;
    Some(Spread { rows: rows as u32, psi_95: *distances.get(rank - 1)?, psi_max })
}

fn outputs(answers: &Answers) -> Option<OutputReference> {
    match answers {
        Answers::Labels { indices, probabilities } => {
            let mut recorder = OutputRecorder::classes(probabilities.ncols());
            for (index, row) in indices.iter().zip(probabilities.rows()) {
                recorder.observe_class(Some(*index), &row.to_vec());
            }
            Some(OutputReference { statistics: recorder.take(), bins: None })
        }
        Answers::Numbers(values) => {
            let bins = Bins::from_values(values)?;
            let mut recorder = OutputRecorder::numbers(bins.clone());
            values.iter().for_each(|value| recorder.observe_number(*value));
            Some(OutputReference { statistics: recorder.take(), bins: Some(bins) })
        }
    }
}
