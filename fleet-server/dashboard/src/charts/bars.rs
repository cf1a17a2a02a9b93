//! Two histograms over the same bins, side by side: the reference and what came.

use std::fmt::Write as _;

use super::{
    figure::{Table, figure, key},
    scale::{ceiling, round},
};
use crate::{
    views::Bars,
    words::{Markup, escape, figure as digits, percent},
};

/// Bars that a number column is redrawn into.
pub const DRAWN_BINS: usize = 28;

struct Slot {
    label: String,
    reference: f64,
    window: f64,
}

/// Draws the window beside the reference, as shares. Quantile bins are redrawn at equal width, each spread
/// evenly over the bars it covers; what lies outside the training data has a bar of its own at either end.
pub fn paired(title: &str, bars: &Bars) -> Markup {
    let slots = slots(bars);
    let (left, right, top, bottom) = (60.0, 930.0, 12.0, 250.0);
    let most = ceiling(slots.iter().flat_map(|s| [s.reference, s.window]).fold(0.0, f64::max));
    let width = (right - left) / slots.len().max(1) as f64;
    let mut body = String::new();
    for k in 0..=2 {
        let share = most * f64::from(k) / 2.0;
        let y = round(bottom - (bottom - top) * f64::from(k) / 2.0);
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y}\" y2=\"{y}\"/><text class=\"tick\" \
             x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            y + 4.0,
            percent(&share)
        );
    }
    let every = slots.len().div_ceil(10).max(1);
    for (k, slot) in slots.iter().enumerate() {
        let ends = slots.len() > 1 && k + 1 == slots.len();
        let x = left + width * k as f64;
        let label = escape(&slot.label);
        let words = format!("{label}: reference {}, now {}", percent(&slot.reference), percent(&slot.window));
        let _ = write!(body, "<g><title>{words}</title>");
        for (side, share, class) in [(0.08, slot.reference, "reference"), (0.5, slot.window, "s0")] {
            let height = round((bottom - top) * share / most);
            let _ = write!(
                body,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{height}\" rx=\"1\"/>",
                round(x + width * side),
                round(bottom - height),
                round(width * 0.4)
            );
        }
        body.push_str("</g>");
        if ends || (k % every == 0 && k + every < slots.len()) || slots.len() <= 10 {
            let (anchor, place) = if ends && every > 1 { ("end", 1.0) } else { ("middle", 0.5) };
            let short: String =
                slot.label.split(" to ").next().unwrap_or_default().chars().take(14).collect();
            let _ = write!(
                body,
                "<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                round(x + width * place),
                bottom + 17.0,
                escape(&short)
            );
        }
    }
    let rows =
        slots.iter().map(|s| vec![s.label.clone(), percent(&s.reference), percent(&s.window)]).collect();
    let head = ["Value", "Reference", "Now"].map(str::to_owned).to_vec();
    let about = format!("share of values in {} bars, the reference beside what came", slots.len());
    let keys = key(&[("reference", "reference (training data)"), ("s0", "this window")]);
    figure(title, &about, (right + 10.0, bottom + 26.0), &body, &keys, &Table { head, rows })
}

fn slots(bars: &Bars) -> Vec<Slot> {
    match bars {
        Bars::Category { labels, reference, window, other } => {
            let (known, now) = (shares(reference, 0.0), shares(window, *other));
            let mut slots: Vec<Slot> = labels
                .iter()
                .zip(known.into_iter().zip(&now))
                .map(|(label, (reference, window))| Slot { label: label.clone(), reference, window: *window })
                .collect();
            if *other > 0.0 {
                let window = 1.0 - now.iter().sum::<f64>();
                slots.push(Slot { label: "not in training".to_owned(), reference: 0.0, window });
            }
            slots
        }
        Bars::Numeric { edges, reference, window, below, above } => {
            let (Some(low), Some(high)) = (edges.first(), edges.last()) else { return Vec::new() };
            let span = ((high - low) / DRAWN_BINS as f64).max(f64::MIN_POSITIVE);
            let (known, now) = (shares(reference, 0.0), shares(window, below + above));
            let total = window.iter().sum::<f64>() + below + above;
            let outside = |n: &f64| if total > 0.0 { n / total } else { 0.0 };
            let mut slots = vec![Slot {
                label: format!("below {}", digits(low)),
                reference: 0.0,
                window: outside(below),
            }];
            let (known, now) = (spread(edges, &known), spread(edges, &now));
            for (k, (reference, window)) in known.into_iter().zip(now).enumerate() {
                let from = low + span * k as f64;
                let label = format!("{} to {}", digits(&from), digits(&(from + span)));
                slots.push(Slot { label, reference, window });
            }
            let label = format!("above {}", digits(high));
            slots.push(Slot { label, reference: 0.0, window: outside(above) });
            slots
        }
    }
}

fn shares(counts: &[f64], outside: f64) -> Vec<f64> {
    let total = counts.iter().sum::<f64>() + outside;
    counts.iter().map(|n| if total > 0.0 { n / total } else { 0.0 }).collect()
}

/// Shares of bins of any width, redrawn into [`DRAWN_BINS`] bars of equal width.
pub fn spread(edges: &[f64], shares: &[f64]) -> Vec<f64> {
    let mut drawn = vec![0.0; DRAWN_BINS];
    let (Some(low), Some(high)) = (edges.first(), edges.last()) else { return drawn };
    let place = |v: f64| (v - low) / (high - low).max(f64::MIN_POSITIVE) * DRAWN_BINS as f64;
    for (edge, share) in edges.windows(2).zip(shares) {
        let (from, to) = (place(edge[0]), place(edge[1]));
        let (first, last) = ((from as usize).min(DRAWN_BINS - 1), (to as usize).min(DRAWN_BINS - 1));
        if first == last || to - from <= 0.0 {
            drawn[first] += share;
            continue;
        }
        for (k, bar) in drawn.iter_mut().enumerate().take(last + 1).skip(first) {
            let covered = (to.min(k as f64 + 1.0) - from.max(k as f64)).max(0.0);
            *bar += share * covered / (to - from);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redrawing_bins_keeps_every_share() {
        let edges: Vec<f64> = vec![-3.0, -1.0, -0.999_999, 0.5, 0.6, 9.0];
        let drawn = spread(&edges, &[0.1, 0.4, 0.2, 0.2, 0.1]);
        assert!((drawn.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{drawn:?}");
    }

    #[test]
    fn values_outside_training_have_bars_of_their_own() {
        let bars = Bars::Numeric {
            edges: vec![0.0, 1.0],
            reference: vec![5.0],
            window: vec![6.0],
            below: 1.0,
            above: 3.0,
        };
        let slots = slots(&bars);
        assert_eq!(slots.first().map(|s| s.window), Some(0.1));
        assert_eq!(slots.last().map(|s| s.window), Some(0.3));
    }
}
