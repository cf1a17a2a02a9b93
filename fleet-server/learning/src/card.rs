//! The model card: what a person reads before trusting the model (Mitchell et al., "Model Cards", 2019).

use std::fmt::Write;

use dunlin_protocol::spec::{ModelSpec, Task};

use crate::{dataset::Kind, report::Report, request::SplitKind};

/// Metrics in the order in which people look at them.
const ORDER: [&str; 9] =
    ["accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "rmse", "mae", "r2"];

/// The card as Markdown.
pub(crate) fn write(report: &Report, spec: &ModelSpec) -> String {
    let request = &report.request;
    let mut lines: Vec<String> = Vec::new();
    let kind = match (report.task, report.labels.len()) {
        (Task::Classification, 2) => "logistic regression".to_owned(),
        (Task::Classification, labels) => format!("multinomial logistic regression over {labels} labels"),
        _ => "ridge regression".to_owned(),
    };
    lines.push(format!("# {}\n", request.model));
    lines.push(format!(
        "Predicts `{}` from {} features by {kind}. Imputation, scaling and one-hot encoding are inside the model.\n",
        inline(&request.target),
        report.features.len()
    ));
    if !report.warnings.is_empty() {
        lines.push("## Mind\n".into());
        lines.extend(report.warnings.iter().map(|warning| format!("- {}", inline(warning))));
        lines.push(String::new());
    }
    lines.push("## How good it is\n".into());
    lines.push(scores(report));
    lines.push(judged(report));
    if !report.confusion.is_empty() && report.labels.len() <= 20 {
        lines.push(confusion(report));
    }
    lines.push("## Features\n".into());
    lines.push("| feature | kind | unit | missing in training | weight |\n|---|---|---|---|---|".into());
    for (feature, described) in report.features.iter().zip(spec.features()) {
        let kind = match feature.kind {
            Kind::Number => "number".to_owned(),
            Kind::Text => format!("text, {} known", described.categories.len()),
        };
        let unit = described.unit.as_deref().unwrap_or("");
        lines.push(format!(
            "| {} | {kind} | {} | {:.1} % | {:.3} |",
            cell(&feature.name),
            cell(unit),
            100.0 * feature.missing,
            feature.weight
        ));
    }
    lines.push(String::new());
    lines.push("## How it was made\n".into());
    lines.push(format!("- Data: {}", inline(request.dataset.as_deref().unwrap_or("not named"))));
    lines.push(format!("- Rows: {} to fit, {} to judge", report.rows.train, report.rows.holdout));
    lines.push(format!(
        "- Search: {} penalties, {} folds; chosen {} per row by the lowest {}",
        report.grid.len(),
        report.folds.len(),
        report.penalty,
        if report.task == Task::Classification { "log-loss" } else { "RMSE" }
    ));
    lines.push(format!("- Seed: {}", request.seed));
    lines.push(format!("- Producer: {}", crate::package::PRODUCER));
    lines.join("\n") + "\n"
}

fn judged(report: &Report) -> String {
    let how = match report.request.split.kind {
        SplitKind::Time => "the latest rows in time; training saw only earlier ones",
        SplitKind::Random => "rows drawn at random, so neighbours in time may stand on both sides",
        SplitKind::Stratified => "rows drawn at random within each label",
        SplitKind::Group => "rows of groups that training never saw",
    };
    let tail = if report.labels.len() > 2 {
        " Precision, recall, F1 and ROC-AUC are means over labels."
    } else if let Some(label) = report.labels.get(1) {
        &format!(" Precision, recall and F1 are those of label `{}`.", inline(label))
    } else {
        ""
    };
    format!("\nJudged on {} held-out rows: {how}.{tail}\n", report.rows.holdout)
}

fn scores(report: &Report) -> String {
    let mut text = String::from("| metric | this model | baseline |");
    let champion = report.champion.as_ref();
    if let Some(champion) = champion {
        append(&mut text, &format!(" {} |", champion.model));
    }
    text.push_str("\n|---|---|---|");
    text.push_str(if champion.is_some() { "---|" } else { "" });
    for name in ORDER.into_iter().filter(|name| report.metrics.contains_key(*name)) {
        let shown = |scores: &crate::Scores| scores.get(name).map_or("–".to_owned(), |v| format!("{v:.4}"));
        append(
            &mut text,
            &format!("\n| {name} | {} | {} |", shown(&report.metrics), shown(&report.baseline)),
        );
        if let Some(champion) = champion {
            append(&mut text, &format!(" {} |", shown(&champion.metrics)));
        }
    }
    text
}

fn confusion(report: &Report) -> String {
    let mut text = String::from("| true label, down; answer, across |");
    report.labels.iter().for_each(|label| append(&mut text, &format!(" {} |", cell(label))));
    text.push_str("\n|---|");
    report.labels.iter().for_each(|_| text.push_str("---|"));
    for (label, counts) in report.labels.iter().zip(&report.confusion) {
        append(&mut text, &format!("\n| {} |", cell(label)));
        counts.iter().for_each(|count| append(&mut text, &format!(" {count} |")));
    }
    text.push('\n');
    text
}

fn append(text: &mut String, more: &str) {
    // Writing to a String cannot fail.
    let _ = text.write_str(more);
}

/// Text from outside on one line, without Markdown's means to leave it.
fn inline(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !matches!(c, '`' | '<' | '>' | '[' | ']'))
        .take(200)
        .collect()
}

fn cell(text: &str) -> String {
    inline(text).replace('|', "/")
}
