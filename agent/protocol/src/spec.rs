//! What a model takes and gives: the part of a bundle's manifest that people read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tensor::Datatype;

/// What the model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of several labels.
    Classification,
    /// A number.
    Regression,
    /// Anything else: outputs are passed on and counted, not interpreted.
    Other,
}

/// One column of an input: what people call a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureSpec {
    /// Column name, for example `dew_point_f`.
    pub name: String,
    /// Physical unit, for example `hPa`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Values that are physically possible, `[low, high]`; outside them is a sensor fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Known categories of a text column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

impl FeatureSpec {
    /// A numeric feature with neither unit nor range.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), unit: None, range: None, categories: Vec::new() }
    }
}

/// One input tensor of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Tensor name in the ONNX graph.
    pub name: String,
    /// Element type.
    pub datatype: Datatype,
    /// Dimensions; `None` is free (usually the batch).
    pub shape: Vec<Option<usize>>,
    /// The columns along the last dimension, in order. Empty for images and signals.
    #[serde(default)]
    pub features: Vec<FeatureSpec>,
}

/// What an output tensor means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputRole {
    /// The predicted label.
    Label,
    /// One probability per label, in the order of [`ModelSpec::labels`].
    Probabilities,
    /// The predicted number.
    Value,
    /// Not interpreted.
    Other,
}

/// One output tensor of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// Tensor name in the ONNX graph.
    pub name: String,
    /// Element type.
    pub datatype: Datatype,
    /// Dimensions; `None` is free.
    pub shape: Vec<Option<usize>>,
    /// What it means.
    pub role: OutputRole,
}

/// Inputs, outputs and meaning of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// What the model is for.
    pub task: Task,
    /// Input tensors in graph order.
    pub inputs: Vec<InputSpec>,
    /// Output tensors in graph order.
    pub outputs: Vec<OutputSpec>,
    /// Class labels as text, in the order of the probabilities. Empty for other tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Lowest confidence at which a label counts as decided, by label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, f64>,
    /// Name of the column that holds the true answer in training data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl ModelSpec {
    /// Every feature of every input, in the order in which windows and references list them.
    pub fn features(&self) -> impl Iterator<Item = &FeatureSpec> {
        self.inputs.iter().flat_map(|input| input.features.iter())
    }
}
