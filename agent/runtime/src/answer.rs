//! Reading a model's outputs as people do: a label with a confidence, or a number.

use dunlin_protocol::spec::{ModelSpec, OutputRole};
use dunlin_protocol::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// One row's answer. Fields that the model's task does not have are empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The predicted label as text.
    pub label: Option<String>,
    /// Its index in [`ModelSpec::labels`].
    pub label_index: Option<usize>,
    /// The largest probability.
    pub confidence: Option<f64>,
    /// One probability per label, in the order of [`ModelSpec::labels`].
    pub probabilities: Vec<f64>,
    /// The predicted number.
    pub value: Option<f64>,
}

/// The answer in row `row` of a batch's outputs.
pub fn interpret(spec: &ModelSpec, outputs: &[Tensor], row: usize) -> Answer {
    let by_role = |role: OutputRole| {
        let output = spec.outputs.iter().find(|output| output.role == role)?;
        outputs.iter().find(|tensor| tensor.name == output.name)
    };
    let mut answer = Answer::default();
    if let Some(value) = by_role(OutputRole::Value) {
        answer.value = value.data.number(row);
    }
    if let Some(scores) = by_role(OutputRole::Probabilities) {
        let width = scores.shape.get(1).copied().unwrap_or(spec.labels.len());
        let columns = row.saturating_mul(width)..row.saturating_add(1).saturating_mul(width);
        answer.probabilities = columns.filter_map(|index| scores.data.number(index)).collect();
        let finite = answer.probabilities.iter().copied().filter(|p| p.is_finite());
        answer.confidence = finite.reduce(f64::max);
    }
    match by_role(OutputRole::Label) {
        Some(label) => {
            answer.label = match &label.data {
                TensorData::Bytes(texts) => texts.get(row).cloned(),
                TensorData::Int64(labels) => labels.get(row).map(ToString::to_string),
                other => other.number(row).map(|number| number.to_string()),
            };
            answer.label_index = LabelIndex::new(&spec.labels).find(&label.data, row);
        }
        None if !spec.labels.is_empty() => {
            let scores: Vec<f32> = answer.probabilities.iter().map(|p| *p as f32).collect();
            answer.label_index = largest(&scores);
            answer.label = answer.label_index.and_then(|index| spec.labels.get(index).cloned());
        }
        None => {}
    }
    answer
}

/// Finds labels in a label tensor without making texts of numbers.
#[derive(Debug, Clone)]
pub(crate) struct LabelIndex {
    texts: Vec<String>,
    numbers: Vec<Option<i64>>,
}

impl LabelIndex {
    pub(crate) fn new(labels: &[String]) -> Self {
        let numbers = labels.iter().map(|label| label.parse().ok()).collect();
        Self { texts: labels.to_vec(), numbers }
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn find(&self, data: &TensorData, row: usize) -> Option<usize> {
        match data {
            TensorData::Bytes(texts) => {
                let text = texts.get(row)?;
                self.texts.iter().position(|label| label == text)
            }
            TensorData::Int64(numbers) => {
                let number = Some(*numbers.get(row)?);
                self.numbers.iter().position(|label| *label == number)
            }
            other => {
                let number = other.number(row)?;
                self.numbers.iter().position(|label| label.is_some_and(|label| label as f64 == number))
            }
        }
    }
}

/// Index of the largest score, the first of equal ones.
pub(crate) fn largest<T: Copy + PartialOrd>(scores: &[T]) -> Option<usize> {
    let mut best: Option<(usize, T)> = None;
    // NaN is the one number that does not compare with itself.
    for (index, score) in scores.iter().enumerate().filter(|(_, score)| score.partial_cmp(score).is_some()) {
        if best.is_none_or(|(_, top)| *score > top) {
            best = Some((index, *score));
        }
    }
    best.map(|(index, _)| index)
}
