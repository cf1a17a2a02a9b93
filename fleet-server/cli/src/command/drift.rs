//! `dunlin drift`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Session;
use crate::output::{self, field, list};

/// Arguments of `dunlin drift`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Name of the model.
    model: String,
}

/// Prints the sentences first, then the latest cell of each feature.
pub async fn run(session: &Session, arguments: Arguments) -> anyhow::Result<()> {
    let drift: Value = session.api()?.get(&format!("/drift?model={}", arguments.model)).await?;
    session.print(&drift, |drift| {
        for sentence in list(drift, "sentences") {
            println!("{}", sentence.as_str().unwrap_or_default());
        }
        let mut latest: BTreeMap<String, &Value> = BTreeMap::new();
        for cell in list(drift, "cells") {
            let newer = |old: &&&Value| cell["end_ms"].as_i64() >= old["end_ms"].as_i64();
            let feature = field(cell, "/feature");
            if latest.get(&feature).as_ref().is_none_or(newer) {
                latest.insert(feature, cell);
            }
        }
        let rows = latest.values().map(|cell| row(cell)).collect();
        let empty = "No windows yet: devices report one a minute while the model answers.";
        output::table(["feature", "PSI", "limit", "verdict", "devices"], rows, empty);
    })
}

fn row(cell: &Value) -> [String; 5] {
    [
        field(cell, "/feature"),
        field(cell, "/psi"),
        field(cell, "/limit"),
        field(cell, "/verdict"),
        format!("{} of {}", field(cell, "/devices_drifting"), field(cell, "/devices_seen")),
    ]
}
