//! The heat map: one cell per feature and column of time, over all devices.

use std::collections::BTreeMap;

use dunlin_monitoring::{DeviceVerdict, Judged, Policy, Verdict, assess, fleet};
use serde::Serialize;

use super::board::{Board, ModelBoard};

/// Most columns of time.
pub const COLUMNS: usize = 60;

/// One feature in one span of time.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Cell {
    /// Begin, milliseconds since 1970.
    pub start_ms: i64,
    /// End.
    pub end_ms: i64,
    /// Feature name.
    pub feature: String,
    /// Population stability index of all devices together.
    pub psi: Option<f64>,
    /// What it is held against.
    pub limit: Option<f64>,
    /// `ok`, `notice`, `drift`, `sensor-fault` or `too-few`.
    pub verdict: String,
    /// Devices on which it drifts.
    pub devices_drifting: usize,
    /// Devices with enough values.
    pub devices_seen: usize,
    /// Values.
    pub n: u64,
}

/// What is said of a model's inputs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Drift {
    /// The model's name.
    pub model: String,
    /// Features in the model's order.
    pub features: Vec<String>,
    /// At most 60 columns of time for each feature.
    pub cells: Vec<Cell>,
    /// What there is to say, the most important first.
    pub sentences: Vec<String>,
}

/// The heat map of a model over `[from_ms, to_ms)`.
pub fn drift(board: &Board, name: &str, policy: &Policy, (from_ms, to_ms): (i64, i64)) -> Drift {
    let mut found: BTreeMap<(i64, String), Cell> = BTreeMap::new();
    let mut features: Vec<String> = Vec::new();
    let mut sentences: Vec<(u8, String)> = Vec::new();
    for (_, model) in board.versions(name) {
        for spec in model.manifest.spec.features() {
            if !features.contains(&spec.name) {
                features.push(spec.name.clone());
            }
        }
        for finding in model.findings.iter().filter(|finding| !finding.sentence.is_empty()) {
            sentences.push((weight(&finding.verdict), finding.sentence.clone()));
        }
        for cell in cells(model, policy, (from_ms, to_ms)) {
            // Two versions at the same time: the one with more values speaks for the column.
            let slot = found.entry((cell.start_ms, cell.feature.clone())).or_insert_with(|| cell.clone());
            if cell.n > slot.n {
                *slot = cell;
            }
        }
    }
    sentences.sort_by_key(|(weight, _)| *weight);
    Drift {
        model: name.to_owned(),
        features,
        cells: found.into_values().collect(),
        sentences: sentences.into_iter().map(|(_, sentence)| sentence).collect(),
    }
}

fn weight(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Drift => 0,
        Verdict::SensorFault { .. } => 1,
        _ => 2,
    }
}

fn cells(model: &ModelBoard, policy: &Policy, (from_ms, to_ms): (i64, i64)) -> Vec<Cell> {
    let Some(reference) = &model.reference else { return Vec::new() };
    let mut cells = Vec::new();
    for (start_ms, end_ms, sums) in model.timeline.columns(from_ms, to_ms, COLUMNS) {
        let parts = model.manifest.spec.features().zip(&reference.features).zip(&sums).enumerate();
        for (index, ((spec, reference), statistics)) in parts {
            let whole = assess(spec, reference, statistics, policy);
            let verdicts = verdicts(model, index, start_ms, end_ms);
            let said = fleet(&spec.name, &verdicts, policy, end_ms);
            let verdict = match said.verdict {
                // Each device for itself has too few values, together they may have enough. A fault of the sum is
                // no fault: values of many devices stand behind each other in it.
                Verdict::TooFew if !matches!(whole.verdict, Verdict::SensorFault { .. }) => {
                    whole.verdict.word()
                }
                said => said.word(),
            };
            cells.push(Cell {
                start_ms,
                end_ms,
                feature: spec.name.clone(),
                psi: whole.psi,
                limit: whole.limit,
                verdict: verdict.to_owned(),
                devices_drifting: said.drifting.len(),
                devices_seen: said.seen,
                n: whole.n,
            });
        }
    }
    cells
}

/// What each device says of a feature in a span of time: its latest assessment that touches the span.
pub fn verdicts(model: &ModelBoard, feature: usize, start_ms: i64, end_ms: i64) -> Vec<DeviceVerdict> {
    let of = |(device, board): (&dunlin_protocol::DeviceId, &super::board::DeviceBoard)| {
        let timeline = board.features.get(feature)?;
        let touches = |span: &&Judged| span.start_ms < end_ms && span.end_ms > start_ms;
        let span = timeline.spans.iter().rev().find(touches)?;
        Some(DeviceVerdict {
            device: device.clone(),
            assessment: span.assessment.clone(),
            since_ms: Some(span.start_ms),
        })
    };
    model.devices.iter().filter_map(of).collect()
}
