//! The fleet at a glance.

use askama::Template;

use super::{counted, write};
use crate::{
    charts::spark,
    views::{Decision, DeviceRow, DeviceStatus, FleetPage},
    words::{Markup, part},
};

#[derive(Template)]
#[template(path = "fleet.html")]
struct Fleet<'a> {
    here: &'static str,
    page: &'a FleetPage,
    headline: String,
    decisions: Vec<&'a Decision>,
    next: Option<String>,
}

impl Fleet<'_> {
    fn spark(&self, device: &DeviceRow) -> Markup {
        spark::line("inferences per window", &device.inferences)
    }

    fn statuses(&self) -> [DeviceStatus; 5] {
        DeviceStatus::ALL
    }

    fn chosen(&self, status: &DeviceStatus) -> bool {
        self.page.filter.status == Some(*status)
    }

    fn model_chosen(&self, model: &str) -> bool {
        self.page.filter.model.as_deref() == Some(model)
    }
}

/// `/`.
pub fn fleet(page: &FleetPage) -> String {
    let mut decisions: Vec<&Decision> = page.decisions.iter().collect();
    decisions.sort_by_key(|d| (std::cmp::Reverse(d.tone), d.since_ms));
    let next = page.next_after.as_ref().map(|after| format!("/?{}after={}", query(page), part(after)));
    write(&Fleet { here: "fleet", page, headline: headline(page), decisions, next })
}

fn headline(page: &FleetPage) -> String {
    let counts = page.counts;
    if counts.total() == 0 {
        return "No devices yet.".to_owned();
    }
    let mut line = format!("{} of {} online", counts.online, counted(counts.total(), "device"));
    match page.sentences.first() {
        Some(sentence) => line.push_str(&format!("; {}", sentence.trim_end_matches('.'))),
        None if page.decisions.is_empty() => line.push_str("; nothing needs you"),
        None => {}
    }
    line + "."
}

fn query(page: &FleetPage) -> String {
    let mut out = String::new();
    let filter = &page.filter;
    for (key, value) in [
        ("status", filter.status.map(DeviceStatus::as_str)),
        ("model", filter.model.as_deref()),
        ("q", filter.text.as_deref()),
    ] {
        if let Some(value) = value {
            out.push_str(&format!("{key}={}&", part(value)));
        }
    }
    out
}
