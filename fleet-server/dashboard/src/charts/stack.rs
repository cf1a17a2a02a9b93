//! Shares of classes over time: one stacked bar a moment.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    figure::{Table, figure, key},
    scale::{TimeScale, round},
};
use crate::{
    views::Series,
    words::{Markup, escape, percent, utc},
};

/// Draws how the answers divide among up to six classes.
pub fn stack(title: &str, classes: &[Series]) -> Markup {
    let (left, right, top, bottom) = (58.0, 930.0, 10.0, 110.0);
    let mut moments: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (k, class) in classes.iter().enumerate() {
        for (ms, share) in &class.points {
            let row = moments.entry(*ms).or_insert_with(|| vec![0.0; classes.len()]);
            row[k] = share.filter(|s| s.is_finite() && *s > 0.0).unwrap_or(0.0);
        }
    }
    let from = moments.keys().min().copied().unwrap_or(0);
    let to = moments.keys().max().copied().unwrap_or(1);
    let step = (right - left) / moments.len().max(1) as f64;
    let time = TimeScale { ms: (from, to), px: (left + step / 2.0, right - step / 2.0) };
    let (mut body, mut rows) = (String::new(), Vec::new());
    for (ms, row) in &moments {
        let total: f64 = row.iter().sum();
        let mut y = bottom;
        for (k, value) in row.iter().enumerate() {
            let share = if total > 0.0 { value / total } else { 0.0 };
            let height = (bottom - top) * share;
            y -= height;
            // Writing to a String cannot fail.
            let _ = write!(
                body,
                "<rect class=\"s{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}, {}: {}</title></rect>",
                k.min(5),
                round(time.at(*ms) - step / 2.0),
                round(y),
                round((step - 1.0).max(0.8)),
                round(height),
                escape(&classes[k].name),
                utc(*ms),
                percent(&share)
            );
        }
        rows.push(std::iter::once(utc(*ms)).chain(row.iter().map(percent)).collect());
    }
    body.push_str(&time.ticks(bottom + 17.0));
    let head = std::iter::once("Time".to_owned()).chain(classes.iter().map(|s| s.name.clone())).collect();
    const CLASSES: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];
    let names: Vec<&str> = classes.iter().map(|s| s.name.as_str()).collect();
    let about = format!("share of {} from {} to {}", names.join(", "), utc(from), utc(to));
    let entries: Vec<(&str, &str)> = CLASSES.into_iter().zip(names).collect();
    figure(title, &about, (right + 10.0, bottom + 26.0), &body, &key(&entries), &Table { head, rows })
}
