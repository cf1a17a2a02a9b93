//! Whom the new model is measured against: the simplest answer there is, and the champion.

use dunlin_protocol::ModelRef;
use ndarray::Array2;

use crate::{
    TrainError,
    metrics::{self, Scores},
    report::ChampionScores,
    table::{Table, Target},
};

/// What the champion said to the hold-out ([`crate::holdout`]), or how it scored there.
#[derive(Debug, Clone, PartialEq)]
pub enum ChampionAnswers {
    /// A label per row, as text.
    Labels(Vec<String>),
    /// A number per row.
    Values(Vec<f64>),
    /// Scores worked out elsewhere, such as by the probe.
    Scores(Scores),
}

/// The model in use, that a new one has to beat.
#[derive(Debug, Clone, PartialEq)]
pub struct Champion {
    /// Its name and version.
    pub model: ModelRef,
    /// Its answers to the hold-out.
    pub answers: ChampionAnswers,
}

/// Scores of always giving the most frequent label of the training rows, with their shares as probabilities, or
/// their mean.
pub(crate) fn baseline(table: &Table, train: &[usize], holdout: &[usize]) -> Scores {
    match &table.target {
        Target::Labels { labels, indices, .. } => {
            let mut counts = vec![0_usize; labels.len()];
            train.iter().for_each(|row| counts[indices[*row]] += 1);
            // The first of equals, so that the answer does not depend on anything else.
            let most = counts.iter().max().copied().unwrap_or(0);
            let majority = counts.iter().position(|count| *count == most).unwrap_or(0);
            let truth: Vec<usize> = holdout.iter().map(|row| indices[*row]).collect();
            let shares = |(_, label): (usize, usize)| counts[label] as f32 / train.len().max(1) as f32;
            let probabilities = Array2::from_shape_fn((truth.len(), labels.len()), shares);
            metrics::classification(&truth, &vec![majority; truth.len()], Some(&probabilities), labels.len())
        }
        Target::Numbers(values) => {
            let mean = train.iter().map(|row| values[*row]).sum::<f64>() / train.len().max(1) as f64;
            let truth: Vec<f64> = holdout.iter().map(|row| values[*row]).collect();
            metrics::regression(&truth, &vec![mean; truth.len()])
        }
    }
}

/// Scores of the champion on the same rows.
pub(crate) fn score(
    champion: &Champion,
    table: &Table,
    holdout: &[usize],
) -> Result<ChampionScores, TrainError> {
    let model = champion.model.clone();
    let wrong_count = |found: usize| TrainError::Champion {
        model: champion.model.to_string(),
        found,
        expected: holdout.len(),
    };
    let metrics = match (&champion.answers, &table.target) {
        (ChampionAnswers::Scores(scores), _) => scores.clone(),
        (ChampionAnswers::Labels(answers), Target::Labels { labels, indices, .. }) => {
            if answers.len() != holdout.len() {
                return Err(wrong_count(answers.len()));
            }
            let truth: Vec<usize> = holdout.iter().map(|row| indices[*row]).collect();
            // A label that this data does not have is wrong whatever the truth is: one place behind the others.
            let place =
                |answer: &String| labels.iter().position(|label| label == answer).unwrap_or(labels.len());
            let answers: Vec<usize> = answers.iter().map(place).collect();
            let foreign = answers.contains(&labels.len());
            metrics::classification(&truth, &answers, None, labels.len() + usize::from(foreign))
        }
        (ChampionAnswers::Values(answers), Target::Numbers(values)) => {
            if answers.len() != holdout.len() {
                return Err(wrong_count(answers.len()));
            }
            let truth: Vec<f64> = holdout.iter().map(|row| values[*row]).collect();
            metrics::regression(&truth, answers)
        }
        (ChampionAnswers::Labels(_), Target::Numbers(_))
        | (ChampionAnswers::Values(_), Target::Labels { .. }) => {
            return Err(TrainError::Request {
                what: "champion",
                value: model.to_string(),
                reason: "it answers another kind of question than the target; compare with a model of the same task"
                    .into(),
            });
        }
    };
    Ok(ChampionScores { model, metrics })
}
