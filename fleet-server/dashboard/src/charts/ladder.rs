//! The wave ladder: one step a wave, as long as the share of the fleet it reaches.

use std::fmt::Write as _;

use super::{
    figure::{Table, figure, key},
    scale::round,
};
use crate::{
    views::WaveView,
    words::{Markup, duration, figure as digits},
};

/// Draws the waves of a rollout.
pub fn ladder(title: &str, waves: &[WaveView]) -> Markup {
    let (left, right, row) = (110.0, 760.0, 40.0);
    let total = waves.iter().map(|w| w.devices).sum::<usize>().max(1) as f64;
    let (mut body, mut before, mut rows) = (String::new(), 0, Vec::new());
    for (k, wave) in waves.iter().enumerate() {
        let y = 6.0 + row * k as f64;
        let at = |devices: usize| left + (right - left) * (devices as f64 / total).min(1.0);
        let rest = wave.devices.saturating_sub(wave.success + wave.working + wave.failure);
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            "<g><title>Wave {n}, {word}: {} succeeded, {} work, {} failed, {rest} wait</title>\
             <text class=\"name\" x=\"0\" y=\"{ty}\">Wave {n} · {} %</text>\
             <rect class=\"none\" x=\"{left}\" y=\"{y}\" width=\"{}\" height=\"26\" rx=\"4\"/>",
            wave.success,
            wave.working,
            wave.failure,
            digits(&wave.percent),
            right - left,
            n = k + 1,
            word = wave.state.word(),
            ty = y + 18.0
        );
        let mut from = before;
        let parts = [("s2", wave.success), ("s0", wave.working), ("s1", wave.failure), ("rest", rest)];
        if before > 0 {
            let width = round(at(before) - left);
            let _ = write!(
                body,
                "<rect class=\"earlier\" x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"26\" rx=\"4\"/>"
            );
        }
        for (class, devices) in parts.into_iter().filter(|(_, devices)| *devices > 0) {
            let (x, end) = (round(at(from)), at(from + devices));
            let width = round((end - x - 1.5).max(1.0));
            let _ = write!(
                body,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"26\" rx=\"4\"/>"
            );
            from += devices;
        }
        let _ = write!(
            body,
            "<text class=\"name\" x=\"{}\" y=\"{}\">{} · {} devices</text></g>",
            right + 14.0,
            y + 18.0,
            wave.state.word(),
            wave.devices
        );
        before += wave.devices;
        rows.push(vec![
            (k + 1).to_string(),
            format!("{} %", digits(&wave.percent)),
            wave.state.word().to_owned(),
            wave.devices.to_string(),
            wave.success.to_string(),
            wave.working.to_string(),
            wave.failure.to_string(),
            duration(&wave.soak_seconds),
        ]);
    }
    let head = ["Wave", "Reaches", "State", "Devices", "Success", "At work", "Failure", "Watched for"];
    let head = head.map(str::to_owned).to_vec();
    let keys = key(&[
        ("s2", "success"),
        ("s0", "at work"),
        ("s1", "failure"),
        ("rest", "pending"),
        ("earlier", "earlier waves"),
    ]);
    let height = 12.0 + row * waves.len() as f64;
    figure(title, &format!("{} waves", waves.len()), (940.0, height), &body, &keys, &Table { head, rows })
}
