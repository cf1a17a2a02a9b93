//! A new model is tried in a process of its own first: one that takes more memory than there is, or never ends, takes that
//! process along and not the agent with the models that answer.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tokio::{io::AsyncReadExt as _, process::Command};

/// Most bytes of a report that are read.
const MAX_REPORT: u64 = 1 << 20;
/// What the process gets beyond its own limit to say so.
const GRACE: Duration = Duration::from_secs(5);
/// What a child leaves that could not become the program, where its parent was not told at the start: glibc's
/// `posix_spawn` on a kernel or an emulator that gives a child memory of its own. A probe never ends with it.
const NOT_STARTED: i32 = 127;

/// The parts of a probe's report that count here.
#[derive(Deserialize)]
struct Report {
    ok: bool,
    #[serde(default)]
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
}

/// Has `judge`, which is this program, probe a bundle. Where it cannot be started, nothing is known and nothing refused.
pub async fn try_apart(judge: &Path, bundle: &Path, limit: Duration) -> anyhow::Result<()> {
    let started = Command::new(judge)
        .arg("probe")
        .arg(bundle)
        .args(["--json", "--limit-seconds", &limit.as_secs().to_string()])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!(%error, program = %judge.display(), "a new model is not tried in a process of its own");
            return Ok(());
        }
    };
    let mut report = Vec::new();
    let stdout = child.stdout.take().context("the process that tries it has no output")?;
    let ended = async {
        stdout.take(MAX_REPORT).read_to_end(&mut report).await?;
        child.wait().await
    };
    let status = match tokio::time::timeout(limit + GRACE, ended).await {
        Ok(status) => status.context("the process that tries it was lost")?,
        Err(_) => bail!("trying it took longer than {} s", limit.as_secs()),
    };
    if status.code() == Some(NOT_STARTED) && report.is_empty() {
        tracing::warn!(program = %judge.display(), "a new model is not tried in a process of its own: it does not start");
        return Ok(());
    }
    verdict(&report, status)
}

fn verdict(report: &[u8], status: ExitStatus) -> anyhow::Result<()> {
    let Ok(Report { ok, checks }) = serde_json::from_slice(report) else {
        bail!("the process that tried it ended with {status}; it may take more memory than this board has");
    };
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    anyhow::ensure!(ok, "{}", failed.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

    use super::*;

    /// A program in place of the agent.
    fn judge(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("judge");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    async fn said(script: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let judge = judge(folder.path(), script);
        let limit = Duration::from_secs(20);
        try_apart(&judge, Path::new("rain.dunlin"), limit).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_the_process_says_of_the_model_counts_and_so_does_its_death() {
        assert_eq!(said(r#"echo '{"ok":true,"checks":[]}'"#).await, Ok(()));
        let checks = r#"[{"name":"load","ok":true,"detail":""},{"name":"golden","ok":false,"detail":"1 instead of 2"}]"#;
        let refused = said(&format!("echo '{{\"ok\":false,\"checks\":{checks}}}'; exit 1")).await;
        assert_eq!(refused, Err("golden: 1 instead of 2".into()));
        let killed = said("kill -9 $$").await.unwrap_err();
        assert!(killed.contains("signal: 9") && killed.contains("memory"), "{killed}");
        assert!(said("head -c 3000000 /dev/zero").await.is_err());
    }

    #[tokio::test]
    async fn without_a_program_to_start_nothing_is_refused() {
        let gone = Path::new("/nonexistent/dunlin-agent");
        assert!(try_apart(gone, Path::new("rain.dunlin"), Duration::from_secs(1)).await.is_ok());
        assert_eq!(said("exit 127").await, Ok(()));
    }
}
