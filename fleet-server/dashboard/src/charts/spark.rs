//! Word-sized pictures for tables; the row they stand in holds their figures.

use std::fmt::Write as _;

use super::scale::round;
use crate::words::{Markup, escape, figure};

const WIDTH: f64 = 96.0;
const HEIGHT: f64 = 22.0;

fn frame(title: &str, about: &str, body: &str) -> Markup {
    let (title, about) = (escape(title), escape(about));
    Markup(format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
         aria-label=\"{title}: {about}\"><title>{title}: {about}</title>{body}</svg>"
    ))
}

/// A line between its own minimum and maximum, broken where values are missing.
pub fn line(title: &str, values: &[Option<f64>]) -> Markup {
    let known: Vec<f64> = values.iter().flatten().copied().filter(|v| v.is_finite()).collect();
    let (Some(last), low, high) = (
        known.last(),
        known.iter().copied().fold(f64::INFINITY, f64::min),
        known.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    ) else {
        return Markup("<span class=\"muted\">no values</span>".to_owned());
    };
    let step = (WIDTH - 8.0) / values.len().saturating_sub(1).max(1) as f64;
    let (mut path, mut gap, mut end) = (String::new(), true, (4.0, HEIGHT / 2.0));
    for (k, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|v| v.is_finite()) else {
            gap = true;
            continue;
        };
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        end = (round(4.0 + step * k as f64), round(HEIGHT - 4.0 - share * (HEIGHT - 8.0)));
        // Writing to a String cannot fail.
        let _ = write!(path, "{}{} {}", if gap { 'M' } else { 'L' }, end.0, end.1);
        gap = false;
    }
    let body = format!(
        "<path class=\"line s0\" d=\"{path}\"/><circle class=\"s0\" cx=\"{}\" cy=\"{}\" r=\"2.2\"/>",
        end.0, end.1
    );
    frame(title, &format!("now {}, between {} and {}", figure(last), figure(&low), figure(&high)), &body)
}

/// Small bars, for a distribution.
pub fn bars(title: &str, shares: &[f64]) -> Markup {
    let most = shares.iter().copied().filter(|s| s.is_finite()).fold(0.0, f64::max);
    if most <= 0.0 {
        return Markup("<span class=\"muted\">no values</span>".to_owned());
    }
    let step = WIDTH / shares.len() as f64;
    let mut body = String::new();
    for (k, share) in shares.iter().enumerate() {
        let height = round((HEIGHT - 2.0) * (share / most).clamp(0.0, 1.0));
        let _ = write!(
            body,
            "<rect class=\"s0\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{height}\"/>",
            round(step * k as f64),
            round(HEIGHT - height),
            round((step - 0.6).max(0.6))
        );
    }
    frame(title, &format!("{} bars, the highest {}", shares.len(), figure(&most)), &body)
}
