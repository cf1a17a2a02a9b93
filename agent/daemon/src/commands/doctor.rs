//! `dunlin-agent doctor`: one line for each thing that must be right, with its cure, printed as it is known.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use serde_json::{Value, json};

use super::{exit, print_json, status};
use crate::{
    Config,
    doctor::{Line, Verdict, examine},
};

/// An agent that runs answers at once.
const SOON: Duration = Duration::from_millis(500);

/// What was typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON, at the end.
    #[arg(long)]
    json: bool,
}

/// Examines. Exit 1 when something failed.
pub async fn run(args: Args, config: Option<PathBuf>, data_dir: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let mut lines = Vec::new();
    let mut tell = |line: Line| {
        if !args.json {
            println!("{line}");
        }
        lines.push(line);
    };
    let (mut config, line) = configuration(config.as_deref());
    tell(line);
    if let Some(data_dir) = data_dir {
        config.data_dir = data_dir;
    }
    examine(&config, Path::new("/"), &mut tell).await;
    tell(agent(&config.serving.listen).await);

    let count = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let failed = count(Verdict::Failed);
    if args.json {
        print_json(&json!({ "ok": failed == 0, "lines": lines }))?;
    } else {
        println!("\n{failed} failed, {} warnings", count(Verdict::Warning));
    }
    Ok(exit(failed == 0))
}

/// The configuration, or the defaults where it cannot be used.
fn configuration(path: Option<&Path>) -> (Config, Line) {
    let name = "configuration";
    match Config::load(path) {
        Ok(config) => {
            let file = path.unwrap_or(Path::new(crate::config::DEFAULT_PATH));
            let found = match file.exists() {
                true => format!("{} is good", file.display()),
                false => format!("there is no {}; the defaults hold", file.display()),
            };
            (config, Line::ok(name, found))
        }
        Err(error) => {
            let cure = "mend the file; what follows is examined with the defaults";
            (Config::default(), Line::failed(name, format!("{error:#}"), cure))
        }
    }
}

/// Asks a running agent.
async fn agent(listen: &str) -> Line {
    if listen == "off" {
        return Line::skipped("agent", "its local API is off");
    }
    let answer = tokio::time::timeout(SOON, status::ask(listen)).await;
    let answer = answer.map_err(anyhow::Error::from).and_then(|answer| answer);
    judge(listen, answer.map_err(|error| format!("{error:#}")))
}

fn judge(listen: &str, status: Result<Value, String>) -> Line {
    let name = "agent";
    let Ok(status) = status else {
        let found = format!("nothing answers as an agent at {listen}");
        return Line::warning(name, found, "sudo systemctl start dunlin-agent (or: dunlin-agent run)");
    };
    let version = status["state"]["agent"].as_str().unwrap_or("?");
    let models = status["state"]["serving"].as_array().map_or(0, Vec::len);
    let found = format!("{version} runs, {models} models answer");
    let link = &status["link"];
    if !status["device"].is_null() && link["connected"] == false {
        let why = link["last_error"].as_str().unwrap_or("no reason is known");
        let cure = "see the lines on network, server and broker; and the log: journalctl -u dunlin-agent";
        return Line::warning(name, format!("{found}, but it is offline: {why}"), cure);
    }
    Line::ok(name, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_with_a_typo_is_a_finding_and_not_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agent.toml");
        std::fs::write(&file, "[spool]\nlimit_byte = 1\n").unwrap();
        let (config, line) = configuration(Some(&file));
        assert_eq!(config, Config::default());
        assert!(
            line.verdict == Verdict::Failed && line.found.contains("did you mean `limit_bytes`"),
            "{line}"
        );
    }

    #[test]
    fn a_running_agent_is_known_by_its_answer() {
        let status = |connected: bool| {
            json!({ "device": "a", "state": { "agent": "0.1.0", "serving": [{}] },
                    "link": { "connected": connected, "last_error": "refused" } })
        };
        assert_eq!(judge("x", Ok(status(true))), Line::ok("agent", "0.1.0 runs, 1 models answer"));
        assert!(judge("x", Ok(status(false))).found.ends_with("offline: refused"));
        assert_eq!(judge("x", Err("no".into())).verdict, Verdict::Warning);
    }
}
