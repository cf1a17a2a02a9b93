//! Alerts.

use askama::Template;

use super::{counted, write};
use crate::views::{AlertRow, AlertState, AlertsPage};

#[derive(Template)]
#[template(path = "alerts.html")]
struct Alerts<'a> {
    here: &'static str,
    page: &'a AlertsPage,
    headline: String,
}

impl Alerts<'_> {
    fn open(&self, alert: &AlertRow) -> bool {
        alert.state == AlertState::Open
    }
}

/// `/alerts`.
pub fn alerts(page: &AlertsPage) -> String {
    let headline = match page.frame.alerts_open {
        0 => "Nothing needs attention.".to_owned(),
        n => format!("{} open.", counted(n, "alert")),
    };
    write(&Alerts { here: "alerts", page, headline })
}
