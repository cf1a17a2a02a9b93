//! How a model behaves on a group of devices, summed from windows.

use std::collections::BTreeMap;

use dunlin_protocol::{
    DeviceId, ModelRef,
    message::Window,
    statistics::{LabelStatistics, LatencyHistogram, OutputStatistics},
};
use serde::{Deserialize, Serialize};

use crate::noise::Tally;

/// One device's part of a group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceHealth {
    /// Inferences that gave an answer.
    pub inferences: u64,
    /// Inferences that failed.
    pub failures: u64,
    /// Answers whose truth is known.
    pub labels: LabelStatistics,
    /// Answers with a confidence, and the sum of the confidences.
    pub confidence: (u64, f64),
    /// Answers per predicted label; empty for other tasks than classification.
    pub classes: Vec<u64>,
    /// Time per inference.
    pub latency: LatencyHistogram,
}

/// A group of devices over one period.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The devices, each with its own sums: the differences between them are the measure of noise.
    pub devices: BTreeMap<DeviceId, DeviceHealth>,
}

impl Group {
    /// Adds a device's window.
    pub fn add(&mut self, device: &DeviceId, window: &Window) {
        let health = self.devices.entry(device.clone()).or_default();
        health.inferences = health.inferences.saturating_add(window.inferences);
        health.failures = health.failures.saturating_add(window.failures);
        health.labels.merge(&window.labels);
        health.latency.merge(&window.latency);
        if let OutputStatistics::Classes { labels, other, confidence, confidence_sum, .. } = &window.outputs {
            health.confidence.0 = health.confidence.0.saturating_add(confidence.total());
            health.confidence.1 += confidence_sum;
            if health.classes.len() < labels.0.len() + 1 {
                health.classes.resize(labels.0.len() + 1, 0);
            }
            for (mine, theirs) in health.classes.iter_mut().zip(labels.0.iter().chain([other])) {
                *mine = mine.saturating_add(*theirs);
            }
        }
    }

    /// Inferences that gave an answer.
    pub fn inferences(&self) -> u64 {
        self.devices.values().fold(0, |sum, device| sum.saturating_add(device.inferences))
    }

    /// Inferences that failed.
    pub fn failures(&self) -> u64 {
        self.devices.values().fold(0, |sum, device| sum.saturating_add(device.failures))
    }

    /// Answers whose truth is known.
    pub fn labels(&self) -> LabelStatistics {
        let mut sum = LabelStatistics::default();
        self.devices.values().for_each(|device| sum.merge(&device.labels));
        sum
    }

    /// Share of wrong answers among those whose truth is known.
    pub fn error_ratio(&self) -> Option<f64> {
        let labels = self.labels();
        (labels.count > 0).then(|| labels.errors as f64 / labels.count as f64)
    }

    /// Mean confidence of the answers.
    pub fn mean_confidence(&self) -> Option<f64> {
        let (n, sum) = self
            .devices
            .values()
            .fold((0.0, 0.0), |(n, sum), device| (n + device.confidence.0 as f64, sum + device.confidence.1));
        (n > 0.0).then(|| sum / n)
    }

    /// Time per inference of the whole group.
    pub fn latency(&self) -> LatencyHistogram {
        let mut sum = LatencyHistogram::default();
        self.devices.values().for_each(|device| sum.merge(&device.latency));
        sum
    }

    /// Number of classes that were counted, answers outside the model's labels included.
    pub(crate) fn classes(&self) -> usize {
        self.devices.values().map(|device| device.classes.len()).max().unwrap_or(0)
    }

    /// One tally per device.
    pub(crate) fn tallies(&self, read: impl Fn(&DeviceHealth) -> (u64, f64)) -> Vec<Tally> {
        self.devices
            .values()
            .map(|device| {
                let (n, sum) = read(device);
                Tally { n: n as f64, sum }
            })
            .collect()
    }
}

/// The two groups of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Devices of the same fleet that are not on the new model.
    pub control: Group,
    /// Devices with the new model.
    pub treated: Group,
}

impl Health {
    /// Sorts windows of one period by the model that answered. Windows of models of other names are left out.
    pub fn from_windows<'a>(
        model: &ModelRef,
        windows: impl IntoIterator<Item = (&'a DeviceId, &'a Window)>,
    ) -> Self {
        let mut health = Self::default();
        for (device, window) in windows {
            if window.model == *model {
                health.treated.add(device, window);
            } else if window.model.name == model.name {
                health.control.add(device, window);
            }
        }
        health
    }
}
