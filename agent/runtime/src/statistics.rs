//! Counting what passes through a model: one [`Observer`] per model and window.
//!
//! After the first inferences nothing is allocated per call. What the counts mean is not decided here.

use std::fmt::Write;

use dunlin_protocol::spec::{ModelSpec, OutputRole};
use dunlin_protocol::statistics::{
    CategoryRecorder, FeatureReference, FeatureStatistics, LabelStatistics, LatencyHistogram,
    NumericRecorder, OutputRecorder, OutputStatistics, Reference,
};
use dunlin_protocol::tensor::{Tensor, TensorData};

use crate::answer::LabelIndex;

/// What was counted since the last time.
#[derive(Debug, Clone, PartialEq)]
pub struct ObserverCounts {
    /// Rows that were answered.
    pub inferences: u64,
    /// Calls that failed.
    pub failures: u64,
    /// One entry per feature, in the order of [`ModelSpec::features`]; empty without a reference.
    pub inputs: Vec<FeatureStatistics>,
    /// What was answered.
    pub outputs: OutputStatistics,
    /// Time per row.
    pub latency: LatencyHistogram,
    /// Answers whose truth is known.
    pub labels: LabelStatistics,
}

/// What became known about an earlier answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Truth {
    /// A label was right or wrong.
    Label {
        /// Whether the model's label was the true one.
        correct: bool,
    },
    /// A number was off by this much.
    Number {
        /// Answer minus truth, in the answer's unit.
        error: f64,
    },
}

#[derive(Debug, Clone)]
enum FeatureRecorder {
    Numeric(Box<NumericRecorder>),
    Category(CategoryRecorder),
}

#[derive(Debug, Clone)]
struct InputRecorder {
    name: String,
    features: Vec<FeatureRecorder>,
}

/// Counts inputs, outputs, latency and labels of one model.
#[derive(Debug, Clone)]
pub struct Observer {
    inputs: Vec<InputRecorder>,
    output: OutputRecorder,
    answers: LabelIndex,
    roles: Vec<(String, OutputRole)>,
    latency: LatencyHistogram,
    labels: LabelStatistics,
    inferences: u64,
    failures: u64,
    probabilities: Vec<f32>,
    text: String,
}

impl Observer {
    /// An observer of a model. Features are counted only against a reference that has one entry for each of
    /// the specification's; a regression's answers only with the reference's output bins.
    pub fn new(spec: &ModelSpec, reference: Option<&Reference>) -> Self {
        let fitting = reference.filter(|reference| reference.features.len() == spec.features().count());
        let mut features = fitting.map(|r| r.features.as_slice()).unwrap_or_default().iter();
        let inputs = spec.inputs.iter().map(|input| InputRecorder {
            name: input.name.clone(),
            features: features.by_ref().take(input.features.len()).map(FeatureRecorder::new).collect(),
        });
        let inputs: Vec<_> = inputs.filter(|input| !input.features.is_empty()).collect();
        let bins = reference.and_then(|r| r.outputs.as_ref()).and_then(|outputs| outputs.bins.clone());
        let output = if !spec.labels.is_empty() {
            OutputRecorder::classes(spec.labels.len())
        } else if let Some(bins) = bins {
            OutputRecorder::numbers(bins)
        } else {
            OutputRecorder::Uncounted
        };
        Self {
            inputs,
            output,
            answers: LabelIndex::new(&spec.labels),
            roles: spec.outputs.iter().map(|output| (output.name.clone(), output.role)).collect(),
            latency: LatencyHistogram::default(),
            labels: LabelStatistics::default(),
            inferences: 0,
            failures: 0,
            probabilities: Vec::new(),
            text: String::new(),
        }
    }

    /// Counts one call: its inputs, its outputs, and how long it took for all of its rows.
    pub fn observe(&mut self, inputs: &[Tensor], outputs: &[Tensor], microseconds: f64) {
        for recorder in &mut self.inputs {
            if let Some(tensor) = inputs.iter().find(|tensor| tensor.name == recorder.name) {
                recorder.observe(&tensor.data, &mut self.text);
            }
        }
        let rows = inputs.first().or(outputs.first()).map_or(1, |t| t.shape.first().copied().unwrap_or(1));
        self.observe_answers(outputs, rows);
        self.inferences += rows as u64;
        for _ in 0..rows {
            self.latency.observe(microseconds / rows as f64);
        }
    }

    /// Counts a call that gave no answer.
    pub fn observe_failure(&mut self) {
        self.failures += 1;
    }

    /// Counts what became known about an earlier answer.
    pub fn observe_label(&mut self, truth: Truth) {
        self.labels.count += 1;
        match truth {
            Truth::Label { correct } => self.labels.errors += u64::from(!correct),
            Truth::Number { error } => self.labels.squared_error += error * error,
        }
    }

    /// Hands out what was counted and starts anew.
    pub fn take(&mut self) -> ObserverCounts {
        let features = self.inputs.iter_mut().flat_map(|input| &mut input.features);
        ObserverCounts {
            inputs: features.map(FeatureRecorder::take).collect(),
            outputs: self.output.take(),
            latency: std::mem::take(&mut self.latency),
            labels: std::mem::take(&mut self.labels),
            inferences: std::mem::take(&mut self.inferences),
            failures: std::mem::take(&mut self.failures),
        }
    }

    fn observe_answers(&mut self, outputs: &[Tensor], rows: usize) {
        let by_role = |role: OutputRole| {
            let name = self.roles.iter().find(|(_, r)| *r == role).map(|(name, _)| name.as_str())?;
            outputs.iter().find(|tensor| tensor.name == name)
        };
        if matches!(self.output, OutputRecorder::Numbers(_)) {
            if let Some(value) = by_role(OutputRole::Value) {
                for row in 0..rows {
                    self.output.observe_number(value.data.number(row).map_or(f32::NAN, |x| x as f32));
                }
            }
            return;
        }
        let (label, scores) = (by_role(OutputRole::Label), by_role(OutputRole::Probabilities));
        if label.is_none() && scores.is_none() {
            return;
        }
        let width = self.answers.len();
        for row in 0..rows {
            self.probabilities.clear();
            if let Some(scores) = scores {
                let columns = row * width..(row + 1) * width;
                let numbers = columns.filter_map(|index| scores.data.number(index));
                self.probabilities.extend(numbers.map(|p| p as f32));
            }
            let index = match label {
                Some(label) => self.answers.find(&label.data, row),
                None => crate::answer::largest(&self.probabilities),
            };
            self.output.observe_class(index, &self.probabilities);
        }
    }
}

impl InputRecorder {
    fn observe(&mut self, data: &TensorData, text: &mut String) {
        let width = self.features.len();
        // The common case without a branch per value.
        if let TensorData::Fp32(values) = data {
            for row in values.chunks_exact(width) {
                for (feature, value) in self.features.iter_mut().zip(row) {
                    match feature {
                        FeatureRecorder::Numeric(recorder) => recorder.observe(*value),
                        FeatureRecorder::Category(recorder) => {
                            observe_number(recorder, f64::from(*value), text)
                        }
                    }
                }
            }
            return;
        }
        for index in 0..data.len() - data.len() % width {
            match (&mut self.features[index % width], data) {
                (FeatureRecorder::Category(recorder), TensorData::Bytes(texts)) => {
                    recorder.observe(&texts[index])
                }
                (FeatureRecorder::Category(recorder), _) => {
                    observe_number(recorder, data.number(index).unwrap_or(f64::NAN), text);
                }
                (FeatureRecorder::Numeric(recorder), TensorData::Bytes(texts)) => {
                    recorder.observe(texts[index].trim().parse().unwrap_or(f32::NAN));
                }
                (FeatureRecorder::Numeric(recorder), _) => {
                    recorder.observe(data.number(index).map_or(f32::NAN, |x| x as f32));
                }
            }
        }
    }
}

/// A number in a column that the reference counts by category, such as a mode 0, 1, 2.
fn observe_number(recorder: &mut CategoryRecorder, value: f64, text: &mut String) {
    text.clear();
    // Writing to a string does not fail; a missing value stays the empty text.
    if !value.is_nan() && write!(text, "{value}").is_err() {
        return;
    }
    recorder.observe(text);
}

impl FeatureRecorder {
    fn new(reference: &FeatureReference) -> Self {
        match reference {
            FeatureReference::Numeric { bins, .. } => {
                FeatureRecorder::Numeric(Box::new(NumericRecorder::new(bins.clone())))
            }
            FeatureReference::Category { categories, .. } => {
                FeatureRecorder::Category(CategoryRecorder::new(categories.clone()))
            }
        }
    }

    fn take(&mut self) -> FeatureStatistics {
        match self {
            FeatureRecorder::Numeric(recorder) => FeatureStatistics::Numeric(recorder.take()),
            FeatureRecorder::Category(recorder) => FeatureStatistics::Category(recorder.take()),
        }
    }
}
