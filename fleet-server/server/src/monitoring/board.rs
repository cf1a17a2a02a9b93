//! What is known of recent windows, by model and device.

use std::collections::BTreeMap;

use dunlin_monitoring::{DeviceVerdict, FeatureTimeline, FleetFinding, Policy, assess_device, fleet};
use dunlin_protocol::{
    DeviceId, ModelRef,
    bundle::Manifest,
    message::{ClockQuality, Window},
    statistics::Reference,
};

use super::{history::History, timeline::Timeline};

/// A device that sent nothing for this long, in milliseconds, says nothing about now.
pub const RECENT_MS: i64 = 15 * 60 * 1000;

/// One device under one model.
#[derive(Debug, Default)]
pub struct DeviceBoard {
    /// Its windows.
    pub history: History,
    fresh: bool,
    /// What its windows say, by feature.
    pub features: Vec<FeatureTimeline>,
    /// When its latest window arrived, by the server's clock.
    pub arrived_ms: i64,
    /// Whether it runs another version by now: it speaks of the past only.
    pub left: bool,
}

impl DeviceBoard {
    /// Whether it speaks of now.
    pub fn is_alive(&self, now_ms: i64) -> bool {
        !self.left && now_ms.saturating_sub(self.arrived_ms) <= RECENT_MS
    }
}

/// One version of a model on the fleet.
pub struct ModelBoard {
    /// What it takes and gives.
    pub manifest: Manifest,
    /// What it was trained on.
    pub reference: Option<Reference>,
    /// Its devices.
    pub devices: BTreeMap<DeviceId, DeviceBoard>,
    /// All devices together, over time.
    pub timeline: Timeline,
    /// What is said of each feature over the fleet.
    pub findings: Vec<FleetFinding>,
}

impl ModelBoard {
    /// A board without windows.
    pub fn new(manifest: Manifest, reference: Option<Reference>) -> Self {
        Self {
            manifest,
            reference,
            devices: BTreeMap::new(),
            timeline: Timeline::default(),
            findings: Vec::new(),
        }
    }

    /// Adds a window that arrived at `arrived_ms`.
    pub fn add(&mut self, device: DeviceId, mut window: Window, arrived_ms: i64) {
        let board = self.devices.entry(device).or_default();
        board.arrived_ms = board.arrived_ms.max(arrived_ms);
        (board.fresh, board.left) = (true, false);
        if window.clock == ClockQuality::Wrong {
            // It would paint the past; the arrival is the best there is.
            let length = i64::try_from(window.duration_ms).unwrap_or(i64::MAX);
            window.start_ms = arrived_ms.saturating_sub(length);
        } else if !window.inputs.is_empty() {
            self.timeline.add(window.start_ms, &window.inputs);
        }
        board.history.add(&window);
    }

    /// Judges what is new.
    pub fn assess(&mut self, policy: &Policy, now_ms: i64) {
        let Some(reference) = &self.reference else { return };
        for board in self.devices.values_mut().filter(|board| board.fresh) {
            board.fresh = false;
            let windows: Vec<Window> = board.history.windows().collect();
            let windows: Vec<&Window> = windows.iter().collect();
            let features = assess_device(self.manifest.spec.features(), reference, &windows, policy);
            let before = std::mem::replace(&mut board.features, features);
            for (feature, before) in board.features.iter_mut().zip(&before) {
                feature.continues(before);
            }
        }
        self.findings = self
            .manifest
            .spec
            .features()
            .enumerate()
            .map(|(index, spec)| {
                let verdicts: Vec<DeviceVerdict> = self
                    .devices
                    .iter()
                    .filter(|(_, board)| board.is_alive(now_ms))
                    .filter_map(|(device, board)| {
                        let timeline = board.features.get(index)?;
                        let (assessment, since_ms) = (timeline.now.clone(), timeline.since_ms);
                        Some(DeviceVerdict { device: device.clone(), assessment, since_ms })
                    })
                    .collect();
                fleet(&spec.name, &verdicts, policy, now_ms)
            })
            .collect();
    }

    /// Whether any device sent a window lately.
    pub fn is_alive(&self, now_ms: i64) -> bool {
        self.devices.values().any(|board| board.is_alive(now_ms))
    }
}

/// All models. A device stands on the board of the version that it sent windows of last.
#[derive(Default)]
pub struct Board {
    /// By full name.
    pub models: BTreeMap<ModelRef, ModelBoard>,
}

impl Board {
    /// Adds a window; its model must be on the board.
    pub fn add(&mut self, device: DeviceId, window: Window, arrived_ms: i64) {
        let model = window.model.clone();
        let others = self.models.iter_mut().filter(|(other, _)| other.name == model.name && **other != model);
        for before in others.filter_map(|(_, board)| board.devices.get_mut(&device)) {
            before.left |= before.arrived_ms <= arrived_ms;
        }
        if let Some(board) = self.models.get_mut(&model) {
            board.add(device, window, arrived_ms);
        }
    }

    /// A device's board, on the version that it sent windows of last.
    pub fn device(&self, id: &DeviceId) -> Option<(&ModelRef, &ModelBoard, &DeviceBoard)> {
        let on = |(model, board)| -> Option<(&ModelRef, &ModelBoard, &DeviceBoard)> {
            let board: &ModelBoard = board;
            Some((model, board, board.devices.get(id).filter(|device| !device.left)?))
        };
        self.models.iter().filter_map(on).max_by_key(|(_, _, device)| device.arrived_ms)
    }

    /// The boards of a model's versions.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = (&ModelRef, &ModelBoard)> {
        let name = name.to_owned();
        self.models.iter().filter(move |(model, _)| model.name.as_str() == name)
    }

    /// Forgets what is older than `before_ms`, and devices that `keep` does not know any more.
    pub fn forget(&mut self, before_ms: i64, keep: impl Fn(&DeviceId) -> bool) {
        for board in self.models.values_mut() {
            board.timeline.forget(before_ms);
            board.devices.retain(|device, _| keep(device));
        }
    }
}
