//! One device.

use askama::Template;

use super::write;
use crate::{
    charts::{line, spark, stack},
    views::{DevicePage, DeviceStatus, FeatureRow, Spool},
    words::{self, Markup},
};

#[derive(Template)]
#[template(path = "device.html")]
struct Device<'a> {
    here: &'static str,
    page: &'a DevicePage,
    headline: Markup,
    inferences: Option<Markup>,
    latency: Option<Markup>,
    classes: Option<Markup>,
}

impl Device<'_> {
    fn spark(&self, feature: &FeatureRow) -> Markup {
        spark::line("mean per window", &feature.trend)
    }

    fn share(&self, share: &f32) -> String {
        words::percent(&f64::from(*share))
    }

    fn behind(&self) -> bool {
        self.page.generation.0 != self.page.generation.1
    }
}

/// `/devices/{id}`.
pub fn device(page: &DevicePage) -> String {
    let markers = &page.markers;
    let one = std::slice::from_ref(&page.inferences);
    write(&Device {
        here: "fleet",
        page,
        headline: headline(page),
        inferences: (!page.inferences.points.is_empty())
            .then(|| line::line("Inferences per minute", "", one, markers)),
        latency: page
            .latency
            .iter()
            .any(|s| !s.points.is_empty())
            .then(|| line::line("Latency of an inference", " µs", &page.latency, markers)),
        classes: page
            .classes
            .iter()
            .any(|s| !s.points.is_empty())
            .then(|| stack::stack("What it answers", &page.classes)),
    })
}

/// `offline since 14:02, 312 records kept (1.1 of 64 MB)`.
fn headline(page: &DevicePage) -> Markup {
    let now = &page.frame.now_ms;
    let seen = page.device.last_seen_ms.map(|ms| words::ago(&ms, now).0);
    let mut out = match (page.device.status, seen) {
        (DeviceStatus::Enrolled, _) | (_, None) => "Enrolled, not seen yet".to_owned(),
        (DeviceStatus::Online, Some(seen)) => format!("Online, reported {seen}"),
        (DeviceStatus::Stale, Some(seen)) => format!("Stale: connected, but the last report came {seen}"),
        (DeviceStatus::Offline, Some(seen)) => format!("Offline, last seen {seen}"),
        (DeviceStatus::Revoked, Some(seen)) => format!("Revoked, last seen {seen}"),
    };
    if let Some(Spool { records, bytes, limit_bytes, dropped }) = page.spool {
        if records > 0 {
            let (kept, limit) = (words::bytes(&bytes), words::bytes(&limit_bytes));
            out.push_str(&format!(
                ", {} {} kept ({kept} of {limit})",
                words::count(&records),
                if records == 1 { "record" } else { "records" }
            ));
        }
        if dropped > 0 {
            out.push_str(&format!(", {} merged or dropped since enrolment", words::count(&dropped)));
        }
    }
    Markup(out + ".")
}
