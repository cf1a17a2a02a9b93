//! From values to pixels, and where the ticks go.

use std::fmt::Write as _;

use crate::{
    views::Marker,
    words::{clock, day, escape, utc},
};

/// A span of time laid over a span of pixels.
#[derive(Debug, Clone, Copy)]
pub struct TimeScale {
    /// Begin and end, milliseconds.
    pub ms: (i64, i64),
    /// Left and right, pixels.
    pub px: (f64, f64),
}

impl TimeScale {
    /// Where a moment lies; outside the span at its ends.
    pub fn at(&self, ms: i64) -> f64 {
        let whole = self.ms.1.saturating_sub(self.ms.0).max(1) as f64;
        let share = (ms.saturating_sub(self.ms.0) as f64 / whole).clamp(0.0, 1.0);
        round(self.px.0 + share * (self.px.1 - self.px.0))
    }

    /// Tick labels under `y`, about six, at whole minutes, hours or days.
    pub fn ticks(&self, y: f64) -> String {
        const STEPS: [i64; 12] = [1, 5, 15, 30, 60, 180, 360, 720, 1440, 4320, 14_400, 43_200];
        let whole = self.ms.1.saturating_sub(self.ms.0).max(1);
        let minute = 60_000;
        let step = STEPS.iter().map(|m| m * minute).find(|step| whole / step <= 7).unwrap_or(whole / 6 + 1);
        let mut out = String::new();
        let mut ms = self.ms.0.saturating_add(step - 1).div_euclid(step).saturating_mul(step);
        while ms <= self.ms.1 {
            let (text, kind) = if step < 1440 * minute { (clock(ms), "clock") } else { (day(ms), "day") };
            // Writing to a String cannot fail.
            let _ = write!(
                out,
                "<text class=\"tick\" x=\"{}\" y=\"{y}\" text-anchor=\"middle\" data-ms=\"{ms}\" \
                 data-as=\"{kind}\">{text}</text>",
                self.at(ms)
            );
            ms = ms.saturating_add(step);
        }
        out
    }

    /// Dashed lines with labels for what happened in the span.
    pub fn markers(&self, markers: &[Marker], top: f64, bottom: f64) -> String {
        let mut out = String::new();
        for marker in markers.iter().filter(|m| (self.ms.0..=self.ms.1).contains(&m.at_ms)) {
            let x = self.at(marker.at_ms);
            let (anchor, shift) =
                if x > (self.px.0 + self.px.1) / 2.0 { ("end", -4.0) } else { ("start", 4.0) };
            let label = escape(&marker.label);
            let _ = write!(
                out,
                "<g class=\"marker\"><title>{label}, {}</title><line x1=\"{x}\" x2=\"{x}\" y1=\"{top}\" \
                 y2=\"{bottom}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{label}</text></g>",
                utc(marker.at_ms),
                x + shift,
                top + 9.0
            );
        }
        out
    }
}

/// The next of 1, 1.5, 2, 3, 5, 7.5 × 10ⁿ that is not below the value: a ceiling for an axis that begins at 0.
pub fn ceiling(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let base = 10_f64.powf(value.log10().floor());
    [1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0]
        .iter()
        .map(|k| k * base)
        .find(|top| *top >= value * 0.999)
        .unwrap_or(value)
}

/// One decimal is enough for a pixel, and keeps pages small.
pub fn round(px: f64) -> f64 {
    (px * 10.0).round() / 10.0
}
