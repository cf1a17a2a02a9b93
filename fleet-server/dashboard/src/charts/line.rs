//! Lines over time, with gaps where nothing came and marks where something was changed.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    figure::{Table, figure, key},
    scale::{TimeScale, ceiling, round},
};
use crate::{
    views::{Marker, Series},
    words::{Markup, escape, figure as digits, maybe, utc},
};

/// Draws up to six lines over one axis that begins at 0. `unit` stands behind the figures.
pub fn line(title: &str, unit: &str, series: &[Series], markers: &[Marker]) -> Markup {
    let (left, right, top, bottom) = (58.0, 930.0, 14.0, 170.0);
    let all = || series.iter().flat_map(|s| &s.points);
    let from = all().map(|p| p.0).min().unwrap_or(0);
    let to = all().map(|p| p.0).max().unwrap_or(1);
    let time = TimeScale { ms: (from, to), px: (left, right) };
    let most = ceiling(all().filter_map(|p| p.1).filter(|v| v.is_finite()).fold(0.0, f64::max));
    let mut body = String::new();
    for k in 0..=2 {
        let y = round(bottom - (bottom - top) * f64::from(k) / 2.0);
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y}\" y2=\"{y}\"/><text class=\"tick\" \
             x=\"{}\" y=\"{}\" text-anchor=\"end\">{}{}</text>",
            left - 6.0,
            y + 4.0,
            digits(&(most * f64::from(k) / 2.0)),
            escape(unit)
        );
    }
    for (k, one) in series.iter().enumerate().take(6) {
        let (mut path, mut gap, mut last) = (String::new(), true, None);
        for (ms, value) in &one.points {
            let Some(value) = value.filter(|v| v.is_finite()) else {
                gap = true;
                continue;
            };
            let y = round(bottom - (bottom - top) * (value / most).clamp(0.0, 1.0));
            let _ = write!(path, "{}{} {y}", if gap { 'M' } else { 'L' }, time.at(*ms));
            (gap, last) = (false, Some((time.at(*ms), y)));
        }
        let _ = write!(
            body,
            "<path class=\"line s{k}\" d=\"{path}\"><title>{}</title></path>",
            escape(&one.name)
        );
        if let Some((x, y)) = last {
            let _ = write!(body, "<circle class=\"s{k}\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>");
        }
    }
    body.push_str(&time.markers(markers, top - 8.0, bottom));
    body.push_str(&time.ticks(bottom + 20.0));
    let mut rows: BTreeMap<i64, Vec<Option<f64>>> = BTreeMap::new();
    for (k, one) in series.iter().enumerate() {
        for (ms, value) in &one.points {
            let row = rows.entry(*ms).or_insert_with(|| vec![None; series.len()]);
            row[k] = *value;
        }
    }
    let rows = rows
        .into_iter()
        .map(|(ms, values)| std::iter::once(utc(ms)).chain(values.iter().map(maybe)).collect())
        .collect();
    let head = std::iter::once("Time".to_owned()).chain(series.iter().map(|s| s.name.clone())).collect();
    let names: Vec<&str> = series.iter().map(|s| s.name.as_str()).collect();
    let about = format!("{} from {} to {}", names.join(", "), utc(from), utc(to));
    const CLASSES: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];
    let entries: Vec<(&str, &str)> = CLASSES.into_iter().zip(names).collect();
    let keys = if entries.len() > 1 { key(&entries) } else { String::new() };
    figure(title, &about, (right + 10.0, bottom + 26.0), &body, &keys, &Table { head, rows })
}
