//! `dunlin-agent` as the judge of models: the very code that devices run, in a child process with limits.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use dunlin_protocol::spec::ModelSpec;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{
    Config, RegistryError,
    child::{self, ChildError, Limits, Said},
};

/// Runs the agent.
#[derive(Debug, Clone)]
pub struct Prober {
    agent: PathBuf,
    limits: Limits,
    /// As many judge at once as there are cores; the memory for more may not be there.
    turns: Arc<Semaphore>,
}

/// What a probe found.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Whether the bundle may become a candidate.
    pub ok: bool,
    /// The agent's report, or one of ours if the agent did not live to write it.
    pub report: Value,
}

#[derive(Deserialize)]
struct Check {
    spec: Option<ModelSpec>,
    #[serde(default)]
    unsupported: Vec<Node>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Node {
    operator: String,
    node: String,
    reason: Option<String>,
}

impl Prober {
    /// Finds the agent: the configured one, or the one beside this program.
    ///
    /// # Errors
    /// A sentence with a cure if there is none: the server does not start without its judge.
    pub fn find(config: &Config) -> anyhow::Result<Self> {
        let agent = match &config.agent {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("dunlin-agent"),
        };
        anyhow::ensure!(
            agent.is_file(),
            "no dunlin-agent at {}; every model is judged by it before it may be signed. \
             Install it there, or set `agent` under [probe] in server.toml",
            agent.display()
        );
        let limits = Limits {
            time: Duration::from_secs(config.limit_seconds),
            memory_bytes: config.memory_limit_bytes,
        };
        let turns = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { agent, limits, turns: Arc::new(Semaphore::new(turns)) })
    }

    async fn run(&self, arguments: Vec<OsString>) -> Result<Said, ChildError> {
        // Nobody closes the semaphore; were it closed, the bound alone would be gone.
        let _turn = self.turns.acquire().await.ok();
        child::run(&self.agent, arguments, self.limits).await
    }

    /// Judges the bundle in `file`, and scores it on the rows of `holdout` if there are such.
    ///
    /// # Errors
    /// [`RegistryError::Probe`] if the agent cannot be started. A killed or crashed agent is a verdict.
    pub async fn probe(&self, file: &Path, holdout: Option<&Path>) -> Result<Verdict, RegistryError> {
        let mut arguments: Vec<OsString> = vec!["probe".into(), file.into(), "--json".into()];
        if let Some(rows) = holdout {
            arguments.extend(["--holdout".into(), rows.into()]);
        }
        Ok(match self.run(arguments).await {
            Ok(said) => match serde_json::from_slice::<Value>(&said.output) {
                Ok(report) => {
                    let ok = said.success && report.get("ok").and_then(Value::as_bool) == Some(true);
                    Verdict { ok, report }
                }
                Err(_) => {
                    failed(format!("the agent ended with {} and no report. {}", said.status, said.errors))
                }
            },
            Err(ChildError::Start(error)) => return Err(self.not_started(&error)),
            Err(error) => failed(format!("the agent gave no answer: {error}")),
        })
    }

    /// What the agent says of a file, compared with `golden` where that is given: its report with `ok`, `spec`, `error` and
    /// more. Golden vectors are written to `vectors`, as a bundle holds them.
    ///
    /// # Errors
    /// [`RegistryError::Probe`] if the agent cannot be started. A killed or crashed agent is a verdict.
    pub async fn check(
        &self,
        file: &Path,
        golden: Option<&Path>,
        vectors: Option<&Path>,
    ) -> Result<Verdict, RegistryError> {
        let mut arguments: Vec<OsString> = vec!["check".into(), file.into(), "--json".into()];
        for (flag, path) in [("--golden", golden), ("--vectors", vectors)] {
            if let Some(path) = path {
                arguments.extend([flag.into(), path.into()]);
            }
        }
        let said = match self.run(arguments).await {
            Ok(said) => said,
            Err(ChildError::Start(error)) => return Err(self.not_started(&error)),
            Err(error) => return Ok(refused(&error.to_string())),
        };
        let Ok(mut report) = serde_json::from_slice::<Value>(&said.output) else {
            let mut reason = format!("{} {}", said.errors, String::from_utf8_lossy(&said.output));
            reason.truncate(reason.floor_char_boundary(2000));
            return Ok(refused(reason.trim()));
        };
        // The agent names the files it was given, which are ones of ours that nobody knows.
        if let Some(Value::String(error)) = report.get_mut("error") {
            let name = |path: Option<&Path>| path.map(|path| path.display().to_string()).unwrap_or_default();
            let (model, expected) = (name(Some(file)), name(golden));
            *error = error.replace(&format!("{model}: "), "").replace(&model, "it");
            if golden.is_some() {
                *error = error.replace(&expected, "the golden file");
            }
        }
        let ok = said.success && report.get("ok").and_then(Value::as_bool) == Some(true);
        Ok(Verdict { ok, report })
    }

    fn not_started(&self, error: &std::io::Error) -> RegistryError {
        RegistryError::Probe(format!("{}: {error}", self.agent.display()))
    }
}

/// What an ONNX file takes and gives, by the agent's report on it.
///
/// # Errors
/// [`RegistryError::Onnx`] if the agent refused it.
pub fn spec(verdict: Verdict) -> Result<ModelSpec, RegistryError> {
    let refused = |reason: &str| Err(RegistryError::Onnx(reason.to_owned()));
    match serde_json::from_value(verdict.report) {
        Ok(Check { spec: Some(spec), unsupported, .. }) if verdict.ok && unsupported.is_empty() => Ok(spec),
        Ok(Check { unsupported, .. }) if !unsupported.is_empty() => {
            let list: Vec<String> = unsupported
                .iter()
                .map(|Node { operator, node, reason }| match reason {
                    Some(reason) => format!("{operator} ({node}): {reason}"),
                    None => format!("{operator} ({node})"),
                })
                .collect();
            refused(&format!("operators that agents lack: {}", list.join(", ")))
        }
        Ok(Check { error: Some(reason), .. }) => refused(&reason),
        _ => refused("the agent's report says nothing about it"),
    }
}

fn refused(reason: &str) -> Verdict {
    Verdict { ok: false, report: serde_json::json!({ "ok": false, "error": reason }) }
}

fn failed(detail: String) -> Verdict {
    let detail = detail.trim().to_owned();
    let checks = serde_json::json!([{ "name": "lives", "ok": false, "detail": detail }]);
    Verdict { ok: false, report: serde_json::json!({ "ok": false, "checks": checks, "compared": false }) }
}
