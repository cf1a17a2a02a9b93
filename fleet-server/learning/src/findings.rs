//! What a person should know of the data and the result besides scores.

use std::collections::BTreeSet;

use crate::{
    dataset::Values,
    pipeline::Pipeline,
    preprocessing::Step,
    report::{Feature, Report},
    split::Parts,
    table::{Table, Target},
};

/// Share of missing values above which a feature is worth a word.
const MUCH_MISSING: f64 = 0.3;

/// Accuracy or R² above which an answer among the features is likelier than a good model.
const TOO_GOOD: f64 = 0.999;

/// Each feature with its gaps and the size of its weights.
pub(crate) fn features(table: &Table, pipeline: &Pipeline, train: &[usize]) -> Vec<Feature> {
    let weights = &pipeline.linear.weights;
    let spread = |values: &[f32]| {
        let (low, high) =
            values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        f64::from(high - low)
    };
    // A regression has one output; a label's weight is what it gains over another label.
    let between = |row: usize| {
        let row = weights.row(row).to_vec();
        if let [only] = row.as_slice() { f64::from(only.abs()) } else { spread(&row) }
    };
    let steps = &pipeline.preprocessing.steps;
    let mut number = 0;
    let mut text = steps.iter().filter(|step| matches!(step, Step::Number(_))).count();
    table
        .features
        .iter()
        .zip(steps)
        .map(|(column, step)| {
            let weight = match step {
                Step::Number(_) => {
                    number += 1;
                    between(number - 1)
                }
                Step::Text(known) => {
                    let rows = text..text + known.len();
                    text += known.len();
                    (0..weights.ncols())
                        .map(|output| {
                            spread(&rows.clone().map(|row| weights[(row, output)]).collect::<Vec<_>>())
                        })
                        .fold(0.0, f64::max)
                }
            };
            let missing = train.iter().filter(|row| column.values.is_missing(**row)).count();
            let missing = missing as f64 / train.len().max(1) as f64;
            Feature { name: column.name.clone(), kind: column.kind(), missing, weight }
        })
        .collect()
}

/// Sentences, most important first.
pub(crate) fn warnings(table: &Table, parts: &Parts, report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    if !report.better_than_baseline {
        warnings
            .push("It is no better than always giving the most frequent answer; do not roll it out.".into());
    }
    if report.better_than_champion == Some(false) {
        warnings.push("It is no better than the champion on the same rows.".into());
    }
    let best = report.metrics.get("accuracy").or(report.metrics.get("r2")).copied().unwrap_or(0.0);
    if best > TOO_GOOD {
        warnings.push("It is nearly always right; look for a feature that holds the answer.".into());
    }
    if let Target::Labels { labels, indices, .. } = &table.target {
        let learnt: BTreeSet<usize> = parts.train.iter().map(|row| indices[*row]).collect();
        for (index, label) in labels.iter().enumerate().filter(|(index, _)| !learnt.contains(index)) {
            let count = parts.test.iter().filter(|row| indices[**row] == index).count();
            warnings.push(format!("Label {label:?} is in {count} hold-out rows but in no training row."));
        }
    }
    for (column, feature) in table.features.iter().zip(&report.features) {
        if feature.missing > MUCH_MISSING {
            warnings.push(format!(
                "{:?} is missing in {:.0} % of the training rows.",
                feature.name,
                100.0 * feature.missing
            ));
        }
        if is_constant(&column.values, &parts.train) {
            warnings.push(format!("{:?} never changes in the training rows.", feature.name));
        }
    }
    if report.rows.without_target > 0 {
        warnings.push(format!(
            "{} rows without an answer in {:?} were left out.",
            report.rows.without_target, report.request.target
        ));
    }
    warnings
}

fn is_constant(values: &Values, rows: &[usize]) -> bool {
    let mut known = rows.iter().filter(|row| !values.is_missing(**row));
    let Some(first) = known.next() else { return true };
    match values {
        Values::Numbers(values) => known.all(|row| values[*row] == values[*first]),
        Values::Texts(values) => known.all(|row| values[*row] == values[*first]),
    }
}
