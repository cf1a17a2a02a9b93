//! Drift, from the map to one cell.

use askama::Template;

use super::write;
use crate::{
    charts::{bars, heat, spark},
    views::{Bars, DriftCellPage, DriftDevice, DriftPage},
    words::{self, Markup},
};

#[derive(Template)]
#[template(path = "drift.html")]
struct Drift<'a> {
    here: &'static str,
    page: &'a DriftPage,
    headline: String,
    rest: &'a [String],
    map: Option<Markup>,
}

impl Drift<'_> {
    fn model_chosen(&self, model: &str) -> bool {
        self.page.model.as_deref() == Some(model)
    }

    fn spans(&self) -> [(u32, &'static str); 5] {
        [(1, "1 hour"), (6, "6 hours"), (24, "1 day"), (168, "1 week"), (720, "30 days")]
    }

    fn span_chosen(&self, hours: &u32) -> bool {
        self.page.hours == *hours
    }
}

#[derive(Template)]
#[template(path = "drift_cell.html")]
struct Cell<'a> {
    here: &'static str,
    page: &'a DriftCellPage,
    bars: Markup,
}

impl Cell<'_> {
    fn spark(&self, device: &DriftDevice) -> Markup {
        let title = "distribution on this device";
        match &self.page.bars {
            Bars::Numeric { edges, .. } if edges.len() == device.shares.len() + 1 => {
                spark::bars(title, &bars::spread(edges, &device.shares))
            }
            _ => spark::bars(title, &device.shares),
        }
    }
}

/// `/drift`.
pub fn drift(page: &DriftPage) -> String {
    let (headline, rest) = match (page.sentences.split_first(), &page.model, page.cells.is_empty()) {
        (Some((first, rest)), _, _) => (words::sentence(first), rest),
        (None, None, _) => ("No model to watch yet.".to_owned(), &[][..]),
        (None, Some(model), true) => (format!("No windows of {model} in this span."), &[][..]),
        (None, Some(model), false) => (format!("All features of {model} agree with the reference."), &[][..]),
    };
    let map = page
        .model
        .as_ref()
        .filter(|_| !page.cells.is_empty())
        .map(|model| heat::heat_map(model, &page.features, &page.cells, &page.markers));
    write(&Drift { here: "drift", page, headline, rest, map })
}

/// `/drift/{model}/{feature}`.
pub fn drift_cell(page: &DriftCellPage) -> String {
    let unit = page.unit.as_ref().map(|unit| format!(" ({unit})")).unwrap_or_default();
    let title = format!("{}{unit}: this window beside the reference", page.feature);
    write(&Cell { here: "drift", page, bars: bars::paired(&title, &page.bars) })
}
