//! What surrounds every page, and the two pages that are only frame.

/// What surrounds every page: heading, navigation, the viewer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    /// The fleet's name, as people call it.
    pub fleet: String,
    /// The server's address as devices and people reach it, for example `https://fleet.example:8443`. Stands
    /// in the commands of empty pages.
    pub address: String,
    /// When the page is made.
    pub now_ms: i64,
    /// Alerts that nobody acknowledged.
    pub alerts_open: usize,
    /// Who looks; `None` leaves the navigation without signing out.
    pub viewer: Option<String>,
    /// True when the uPlot module is served under `/assets/uplot/`, so that line charts can be zoomed.
    pub zoom: bool,
}

/// `/login`: tells how to get in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoginPage {
    /// Heading and address; its `viewer` is `None`.
    pub frame: Frame,
    /// Why an attempt failed, for people; `None` at the first visit.
    pub refusal: Option<String>,
}

/// Any page that could not be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ErrorPage {
    /// Heading and navigation.
    pub frame: Frame,
    /// HTTP status.
    pub status: u16,
    /// The stable word for it, for example `unknown-device`.
    pub code: String,
    /// What failed, with which value, and why.
    pub message: String,
    /// What to do next.
    pub cure: Option<String>,
}
