//! Rollouts.

use askama::Template;

use super::{counted, write};
use crate::{
    charts::{ladder, line},
    views::{GroupHealth, RolloutPage, RolloutPhase, RolloutsPage},
    words::Markup,
};

#[derive(Template)]
#[template(path = "rollouts.html")]
struct Rollouts<'a> {
    here: &'static str,
    page: &'a RolloutsPage,
    headline: String,
}

#[derive(Template)]
#[template(path = "rollout.html")]
struct Rollout<'a> {
    here: &'static str,
    page: &'a RolloutPage,
    headline: String,
    ladder: Markup,
    errors: Option<Markup>,
    groups: Vec<(&'static str, GroupHealth)>,
}

/// `/rollouts`.
pub fn rollouts(page: &RolloutsPage) -> String {
    let active = page.rollouts.iter().filter(|r| r.phase.is_active()).count();
    let headline = match (page.rollouts.len(), active) {
        (0, _) => "Nothing was rolled out yet.".to_owned(),
        (_, 0) => "No rollout at work.".to_owned(),
        (_, n) => format!("{} at work.", counted(n, "rollout")),
    };
    write(&Rollouts { here: "rollouts", page, headline })
}

/// `/rollouts/{id}`.
pub fn rollout(page: &RolloutPage) -> String {
    let row = &page.rollout;
    let mut headline = format!("{} of {} serve {}", row.done, counted(row.total, "device"), row.model);
    if row.phase.is_active() {
        headline.push_str(&format!("; wave {} of {}", row.wave.0, row.wave.1));
    }
    if row.failed > 0 {
        headline.push_str(&format!("; {} failed or went back", row.failed));
    }
    let groups = [("Control, old model", page.control), ("Treatment, new", page.treatment)];
    write(&Rollout {
        here: "rollouts",
        page,
        headline: headline + ".",
        ladder: ladder::ladder("Waves", &page.waves),
        errors: page
            .errors
            .iter()
            .any(|s| !s.points.is_empty())
            .then(|| line::line("Wrong answers, control beside treatment", "", &page.errors, &page.markers)),
        groups: groups.into_iter().filter_map(|(name, health)| Some((name, health?))).collect(),
    })
}

impl RolloutPhase {
    /// True while something may still happen to devices.
    pub fn is_active(self) -> bool {
        !matches!(self, RolloutPhase::Succeeded | RolloutPhase::RolledBack | RolloutPhase::Aborted)
    }
}
