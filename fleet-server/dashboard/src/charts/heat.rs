//! The heat map: one row a feature, one column a span of time. Darkness is the statistic over its limit, a sign
//! in the cell is the verdict, and each cell leads to its distributions.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    figure::{Table, figure, key},
    scale::{TimeScale, round},
};
use crate::{
    views::{DriftCell, Marker, Verdict},
    words::{Markup, escape, maybe, part, utc},
};

/// Most columns that are drawn: the latest.
pub const MAX_COLUMNS: usize = 120;

const LEFT: f64 = 190.0;
const RIGHT: f64 = 930.0;
const TOP: f64 = 16.0;
const ROW: f64 = 28.0;

/// Draws the cells of a model.
pub fn heat_map(model: &str, features: &[String], cells: &[DriftCell], markers: &[Marker]) -> Markup {
    let mut columns: BTreeMap<(i64, i64), BTreeMap<&str, &DriftCell>> = BTreeMap::new();
    for cell in cells {
        columns.entry((cell.start_ms, cell.end_ms)).or_default().insert(&cell.feature, cell);
    }
    while columns.len() > MAX_COLUMNS {
        columns.pop_first();
    }
    let from = columns.keys().map(|c| c.0).min().unwrap_or(0);
    let to = columns.keys().map(|c| c.1).max().unwrap_or(1);
    let time = TimeScale { ms: (from, to), px: (LEFT, RIGHT) };
    let bottom = TOP + ROW * features.len() as f64;
    let (mut body, mut rows, mut drifting) = (String::new(), Vec::new(), 0);
    for (k, feature) in features.iter().enumerate() {
        let y = TOP + ROW * k as f64;
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            "<text class=\"name\" x=\"{}\" y=\"{}\" text-anchor=\"end\"><title>{name}</title>{}</text>",
            LEFT - 10.0,
            y + ROW / 2.0 + 4.0,
            escape(&shortened(feature)),
            name = escape(feature)
        );
        for (span, column) in &columns {
            let (x, right) = (time.at(span.0), time.at(span.1));
            let width = round((right - x - 1.5).max(1.0));
            let Some(cell) = column.get(feature.as_str()) else {
                let _ = write!(
                    body,
                    "<rect class=\"none\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{}\" rx=\"2\"/>",
                    ROW - 1.5
                );
                continue;
            };
            drifting += usize::from(cell.verdict == Verdict::Drift);
            let words = sentence(cell);
            let _ = write!(
                body,
                "<a href=\"/drift/{}/{}?from={}&amp;to={}\" aria-label=\"{words}\"><title>{words}</title>\
                 <rect class=\"cell {}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{}\" rx=\"2\"/>{}</a>",
                part(model),
                part(feature),
                span.0,
                span.1,
                level(cell),
                ROW - 1.5,
                sign(cell.verdict, x + width / 2.0, y + ROW / 2.0 - 0.75)
            );
            rows.push(vec![
                feature.clone(),
                utc(span.0),
                cell.verdict.word().to_owned(),
                maybe(&cell.psi),
                maybe(&cell.limit),
                format!("{} of {}", cell.devices_drifting, cell.devices_seen),
                cell.n.to_string(),
            ]);
        }
    }
    body.push_str(&time.markers(markers, 2.0, bottom));
    body.push_str(&time.ticks(bottom + 16.0));
    let about = format!(
        "{} features over {} spans of time, {drifting} cells drift; each cell leads to its distributions",
        features.len(),
        columns.len()
    );
    let head =
        ["Feature", "Since", "Verdict", "PSI", "Limit", "Devices", "Values"].map(str::to_owned).to_vec();
    let keys = key(&[
        ("cell l0", "far below its limit"),
        ("cell l1", "near it"),
        ("cell l2", "a little above it"),
        ("cell l3", "drifts (dot)"),
        ("cell lf", "sensor fault (cross)"),
        ("none", "too few values"),
    ]);
    let title = format!("Drift of {model}, by feature and time");
    figure(&title, &about, (RIGHT + 10.0, bottom + 26.0), &body, &keys, &Table { head, rows })
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= 24 {
        return name.to_owned();
    }
    name.chars().take(23).chain(['…']).collect()
}

fn level(cell: &DriftCell) -> &'static str {
    let ratio = match (cell.psi, cell.limit) {
        (Some(psi), Some(limit)) if limit > 0.0 => psi / limit,
        (Some(psi), _) => psi / 0.25,
        _ => 0.0,
    };
    match cell.verdict {
        Verdict::TooFew => "none",
        Verdict::SensorFault => "lf",
        Verdict::Drift if ratio > 3.0 => "l4",
        Verdict::Drift => "l3",
        Verdict::Notice => "l2",
        Verdict::Ok if ratio > 0.6 => "l1",
        Verdict::Ok => "l0",
    }
}

fn sign(verdict: Verdict, x: f64, y: f64) -> String {
    let (x, y) = (round(x), round(y));
    match verdict {
        Verdict::Drift => format!("<circle class=\"sign\" cx=\"{x}\" cy=\"{y}\" r=\"2.6\"/>"),
        Verdict::SensorFault => {
            format!("<path class=\"cross\" d=\"M{} {}l6 6m0 -6l-6 6\"/>", round(x - 3.0), round(y - 3.0))
        }
        _ => String::new(),
    }
}

fn sentence(cell: &DriftCell) -> String {
    escape(&format!(
        "{}, {}: {}; PSI {}, limit {}; {} of {} devices; {} values",
        cell.feature,
        utc(cell.start_ms),
        cell.verdict.word(),
        maybe(&cell.psi),
        maybe(&cell.limit),
        cell.devices_drifting,
        cell.devices_seen,
        cell.n
    ))
}
