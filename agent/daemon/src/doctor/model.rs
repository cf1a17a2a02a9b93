//! The models: does each current bundle load, and give the numbers it should?

use std::{path::Path, time::Instant};

use dunlin_protocol::ModelName;

use super::{AS_ROOT, Line, PATIENCE};
use crate::{
    clock::SystemClock,
    serving::{LoadedModel, loaded, slot::Folder},
};

/// Looks at each slot's current bundle, within the time for one line.
pub async fn models(data_dir: &Path) -> Vec<Line> {
    let name = "model";
    if std::fs::read_dir(data_dir.join("models"))
        .is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
    {
        return vec![Line::skipped(name, AS_ROOT)];
    }
    let end = Instant::now() + PATIENCE;
    let mut lines = Vec::new();
    for model in Folder::names(data_dir) {
        let folder = Folder::new(data_dir, &model);
        let asked = model.clone();
        let tried = tokio::task::spawn_blocking(move || try_current(&folder));
        let outcome = tokio::time::timeout(end.saturating_duration_since(Instant::now()), tried).await;
        match outcome {
            Ok(Ok(tried)) => lines.extend(judge(&asked, tried.map_err(|error| format!("{error:#}")))),
            Ok(Err(error)) => lines.extend(judge(&asked, Err(error.to_string()))),
            Err(_) => {
                lines.push(Line::skipped(name, format!("{asked} takes longer than {} s", PATIENCE.as_secs())))
            }
        }
    }
    if lines.is_empty() {
        lines.push(Line::skipped(name, "none is here yet"));
    }
    lines
}

/// The current bundle's name, and whether its numbers were compared; `None` where no bundle is current.
fn try_current(folder: &Folder) -> anyhow::Result<Option<(String, bool)>> {
    let Some(slot) = folder.read()?.current else { return Ok(None) };
    let path = folder.bundle(&slot.model, &slot.sha256);
    let (model, bundle) = LoadedModel::open(&path, &slot.model, &slot.sha256, &SystemClock)?;
    loaded::prove(&model, &bundle)?;
    Ok(Some((slot.model.to_string(), model.compared)))
}

fn judge(model: &ModelName, tried: Result<Option<(String, bool)>, String>) -> Option<Line> {
    let name = "model";
    match tried {
        Ok(None) => None,
        Ok(Some((shown, true))) => {
            Some(Line::ok(name, format!("{shown} loads and passes its golden vectors")))
        }
        Ok(Some((shown, false))) => Some(Line::ok(name, format!("{shown} loads (numbers not compared)"))),
        Err(why) => Some(Line::failed(
            name,
            format!("{model}: {why}"),
            "connect the device, which then fetches the model anew; or ask for another version: dunlin rollout start",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::Verdict,
        serving::slot::{Slot, Slots},
    };

    #[tokio::test]
    async fn a_bundle_that_is_gone_fails_and_none_is_no_failure() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(models(data.path()).await, [Line::skipped("model", "none is here yet")]);
        let slot = Slot { model: "rain-1.0.0".parse().unwrap(), sha256: "ab".repeat(32), since_ms: 0 };
        let slots = Slots { current: Some(slot), ..Slots::default() };
        Folder::new(data.path(), &"rain".parse().unwrap()).write(&slots).unwrap();
        let lines = models(data.path()).await;
        assert!(lines.len() == 1 && lines[0].verdict == Verdict::Failed, "{lines:?}");
        assert!(lines[0].found.starts_with("rain: cannot read"), "{}", lines[0]);
    }

    #[test]
    fn numbers_that_nobody_compared_are_said_so() {
        let rain = "rain".parse().unwrap();
        let line = judge(&rain, Ok(Some(("rain-1.0.0".into(), false)))).unwrap();
        assert!(line.verdict == Verdict::Ok && line.found.contains("not compared"), "{line}");
        assert_eq!(judge(&rain, Ok(None)), None);
    }
}
