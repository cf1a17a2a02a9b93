//! `dunlin-agent status`: one screen, from the local API, or from the files while the agent is away.

use std::{process::ExitCode, time::Duration};

use dunlin_protocol::update::UpdateReport;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{exit, print_json};
use crate::{Config, identity::files, serving::slot::Folder, update::record::Store};

/// What was typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the status. Exit 1 when the agent does not run.
pub async fn run(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let live = tokio::time::timeout(Duration::from_millis(500), ask(&config.serving.listen)).await;
    let (status, running) = match live {
        Ok(Ok(status)) => (status, true),
        _ => (from_files(&config)?, false),
    };
    if args.json {
        print_json(&status)?;
    } else {
        print!("{}", screen(&status, running));
    }
    Ok(exit(running))
}

/// Asks a running agent. Spoken by hand over one short connection, since it may be a Unix socket.
pub(super) async fn ask(listen: &str) -> anyhow::Result<Value> {
    match listen.strip_prefix("unix:") {
        Some(path) => get(tokio::net::UnixStream::connect(path).await?).await,
        None => get(tokio::net::TcpStream::connect(listen).await?).await,
    }
}

async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> anyhow::Result<Value> {
    stream.write_all(b"GET /v1/status HTTP/1.0\r\nhost: agent\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(4 << 20).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    anyhow::ensure!(head.contains(" 200 "), "the port is answered by something else");
    Ok(serde_json::from_str(body)?)
}

fn from_files(config: &Config) -> anyhow::Result<Value> {
    let address = files::address(&config.data_dir)?;
    let mut serving = Vec::new();
    for name in Folder::names(&config.data_dir) {
        let slots = Folder::new(&config.data_dir, &name).read()?;
        if let Some(current) = slots.current {
            let fallback = slots.previous.map(|slot| slot.model);
            serving
                .push(json!({ "model": current.model, "since_ms": current.since_ms, "fallback": fallback }));
        }
    }
    let records = Store::new(&config.data_dir).records();
    let updates: Vec<UpdateReport> = records.values().map(|record| record.report(None)).collect();
    let generation = Store::new(&config.data_dir).desired()?.map(|desired| desired.generation);
    Ok(json!({
        "running": false,
        "device": address.as_ref().map(|address| &address.device),
        "server": address.as_ref().map(|address| &address.server_url),
        "state": { "online": false, "serving": serving, "updates": updates, "generation": generation },
    }))
}

fn screen(status: &Value, running: bool) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
    let model = |value: &Value| format!("{}-{}", text(&value["name"]), text(&value["version"]));
    let state = &status["state"];
    let mut lines = vec![format!("device    {}", text(&status["device"]))];
    let link = &status["link"];
    lines.push(match (running, status["device"].is_null(), link["connected"].as_bool()) {
        (false, _, _) => {
            "agent     not running (what follows is from its files); start it with: dunlin-agent run".into()
        }
        (true, true, _) => "link      not enrolled; run: dunlin-agent enrol …".into(),
        (true, false, Some(true)) => "link      online".into(),
        _ => format!("link      offline since {}: {}", moment(&link["since_ms"]), text(&link["last_error"])),
    });
    for serving in state["serving"].as_array().into_iter().flatten() {
        let compared = if serving["compared"] == false { "  (numbers not compared)" } else { "" };
        let fallback = match &serving["fallback"] {
            Value::Null => String::new(),
            fallback => format!("  falls back to {}", model(fallback)),
        };
        lines.push(format!("serving   {}{fallback}{compared}", model(&serving["model"])));
    }
    for update in state["updates"].as_array().into_iter().flatten() {
        let (name, reason) = match &update["state"] {
            Value::Object(map) => {
                let (name, reason) =
                    map.iter().next().map(|(k, v)| (k.clone(), text(&v["message"]))).unwrap_or_default();
                (name, format!(": {reason}"))
            }
            other => (text(other), String::new()),
        };
        lines.push(format!("update    {} {name}{reason}", model(&update["model"])));
    }
    if let (Some(records), Some(bytes)) =
        (state["spool"]["records"].as_u64(), state["spool"]["bytes"].as_u64())
    {
        let limit = state["spool"]["limit_bytes"].as_u64().unwrap_or(0) as f64 / 1e6;
        lines.push(format!("spool     {records} records kept ({:.1} of {limit:.0} MB)", bytes as f64 / 1e6));
    }
    let modes: Vec<String> = state["modes"].as_array().into_iter().flatten().map(text).collect();
    if !modes.is_empty() {
        lines.push(format!("modes     {}", modes.join(", ")));
    }
    lines.join("\n") + "\n"
}

/// A moment as people read it, in UTC.
fn moment(ms: &Value) -> String {
    let at = ms.as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or("–".into(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_is_away_is_shown_from_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
        let shown = screen(&from_files(&config).unwrap(), false);
        assert!(shown.contains("not running") && shown.contains("dunlin-agent run"), "{shown}");
    }

    #[test]
    fn an_update_that_failed_tells_why() {
        let status = json!({ "device": "a", "link": { "connected": true }, "state": {
            "serving": [{ "model": { "name": "rain", "version": "1.0.0" }, "compared": false, "fallback": null }],
            "updates": [{ "model": { "name": "rain", "version": "1.1.0" },
                          "state": { "Failed": { "code": "golden", "message": "wrong numbers" } } }] } });
        let shown = screen(&status, true);
        assert!(shown.contains("rain-1.1.0 Failed: wrong numbers"), "{shown}");
        assert!(shown.contains("rain-1.0.0  (numbers not compared)"), "{shown}");
    }
}
