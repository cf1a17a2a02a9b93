//! Models and the work that makes them.

use askama::Template;

use super::write;
use crate::{
    charts::line,
    views::{Confusion, JobRow, JobState, MetricRow, ModelPage, ModelRow, ModelsPage},
    words::Markup,
};

#[derive(Template)]
#[template(path = "models.html")]
struct Models<'a> {
    here: &'static str,
    page: &'a ModelsPage,
    headline: String,
}

impl Models<'_> {
    fn quality(&self, model: &ModelRow) -> Option<Markup> {
        let series = std::slice::from_ref(&model.quality);
        let title = format!("{}: {} by labels that came in", model.name, model.quality.name);
        (!model.quality.points.is_empty()).then(|| line::line(&title, "", series, &model.markers))
    }

    fn running(&self, job: &JobRow) -> bool {
        matches!(job.state, JobState::Running | JobState::Queued)
    }

    fn done(&self, job: &JobRow) -> u32 {
        (job.progress.clamp(0.0, 1.0) * 100.0).round() as u32
    }
}

#[derive(Template)]
#[template(path = "model.html")]
struct Model<'a> {
    here: &'static str,
    page: &'a ModelPage,
}

impl Model<'_> {
    fn better(&self, metric: &MetricRow) -> &'static str {
        let Some(champion) = metric.champion else { return "" };
        let gain = if metric.lower_is_better { champion - metric.value } else { metric.value - champion };
        if gain.abs() < 5e-4 {
            "= equal"
        } else if gain > 0.0 {
            "▲ better"
        } else {
            "▼ worse"
        }
    }

    fn row<'c>(&self, confusion: &'c Confusion, row: &usize) -> Option<&'c Vec<u64>> {
        confusion.counts.get(*row)
    }

    /// The level of a cell's colour: its share of the row.
    fn level(&self, confusion: &Confusion, row: &usize, column: &usize) -> u32 {
        let counts = confusion.counts.get(*row).map(Vec::as_slice).unwrap_or_default();
        let total = counts.iter().sum::<u64>().max(1);
        let count = counts.get(*column).copied().unwrap_or(0);
        ((count as f64 / total as f64) * 4.0).round() as u32
    }
}

/// `/models`.
pub fn models(page: &ModelsPage) -> String {
    let running = page.jobs.iter().filter(|j| j.state == JobState::Running).count();
    let versions = page.models.iter().map(|m| m.versions.len()).sum();
    let mut headline = match page.models.len() {
        0 => "No model yet".to_owned(),
        n => format!("{}, {}", super::counted(n, "model"), super::counted(versions, "version")),
    };
    if running > 0 {
        headline.push_str(&format!("; {} at work", super::counted(running, "training job")));
    }
    write(&Models { here: "models", page, headline: headline + "." })
}

/// `/models/{name}/{version}`.
pub fn model(page: &ModelPage) -> String {
    write(&Model { here: "models", page })
}
