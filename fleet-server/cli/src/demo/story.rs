//! The story, in order. Each chapter does one thing and sees that it happened.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use dunlin_protocol::ModelRef;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::{
    after, data, fleet,
    programs::{Programs, Running},
    wait::{self, Look},
};
use crate::{
    client::Api,
    command::{key, train},
    output::{self, field},
    profile::Profile,
};

/// Readings a second that each station replays: a year in under four seconds.
const PACE: u32 = 100;

/// Seconds per window.
const WINDOW_SECONDS: u32 = 2;

/// What stands between `dunlin demo` and its end.
struct Stage<'a> {
    dir: &'a Path,
    server: Running,
    api: Api,
    profile: Profile,
    fingerprint: String,
    devices: usize,
    began: std::time::Instant,
}

/// Tells the whole story and lets the program `then` look at it; without `once` it goes on until Ctrl-C.
pub async fn tell(dir: &Path, stations: u32, then: Option<&Path>, once: bool) -> anyhow::Result<()> {
    data::write(&dir.join("data"))?;
    let programs = Programs::beside_this(&dir.join("logs"))?;
    let mut stage = open(dir, &programs, stations).await?;
    let (mut agent, mut flock) = enrol(&mut stage, &programs, stations).await?;

    let first = learn(&stage, "first.csv", "1.0.0").await?;
    stage.say(&format!("{first} is trained on fourteen years and signed. Rolling it out to the fleet."));
    roll_out(&stage, &first).await?;
    stage.look("/drift?model=rain", "each feature over time, beside its training data");

    break_sensors(&mut stage, &mut flock).await?;

    let second = learn(&stage, "newer.csv", "1.1.0").await?;
    stage.say(&format!("{second} is trained on ten more years and signed. Rolling it out in waves."));
    roll_out(&stage, &second).await?;

    let bad = learn(&stage, "inverted.csv", "1.2.0").await?;
    stage.say(&format!(
        "{bad} comes from a table whose labels were swapped. It passes its self-test. Rolling it out."
    ));
    take_back(&stage, &bad, &second).await?;

    for program in [&mut stage.server, &mut agent, &mut flock] {
        program.check()?;
    }
    if let Some(program) = then {
        after::run(program, &stage.profile, dir).await?;
    }
    finish(&stage);
    if once {
        return Ok(());
    }
    println!("Press Ctrl-C to stop.");
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        for program in [&mut stage.server, &mut agent, &mut flock] {
            program.check()?;
        }
    }
}

impl Stage<'_> {
    fn say(&self, sentence: &str) {
        println!("{:>4} s  {sentence}", self.began.elapsed().as_secs());
    }

    fn look(&self, path: &str, what: &str) {
        println!("        look at {}{path} : {what}", self.profile.server);
    }
}

/// A server with its own folder, keys and certificates.
async fn open<'a>(dir: &'a Path, programs: &Programs, stations: u32) -> anyhow::Result<Stage<'a>> {
    let began = std::time::Instant::now();
    let server_dir = dir.join("server");
    let owner_keys = dir.join("owner-keys");
    let (server_path, owner_path) = (text(&server_dir)?, text(&owner_keys)?);
    let init = programs
        .output("dunlin-server", &["init", server_path, "--owner-keys", owner_path, "--json"])
        .await?;
    let init: Value = serde_json::from_str(&init).context("dunlin-server init --json did not print JSON")?;
    // The demo is for this machine only, and takes what ports are free.
    let run = ["run", server_path, "--listen", "127.0.0.1", "--http-port", "0", "--mqtt-port", "0"];
    let mut server = programs.start("dunlin-server", &run)?;
    let run_file = server_dir.join("run.json");
    let run: Value = wait::until("the server answers", Duration::from_secs(30), || {
        let ready = server.check().and_then(|()| Ok(serde_json::from_slice(&std::fs::read(&run_file)?)?));
        async { Ok(ready.map_or_else(|error| Look::NotYet(error.to_string()), Look::Done)) }
    })
    .await?;
    let fingerprint = field(&init, "/ca_fingerprint");
    let url = field(&run, "/https_url");
    let authority = crate::client::find_authority(&url, fingerprint.parse()?).await?;
    let authority = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, authority);
    let profile = Profile {
        server: url,
        authority: Some(authority),
        token: field(&init, "/admin_token"),
        owner_keys: Some(owner_keys),
    };
    profile.save(&dir.join("profile.json"))?;
    let api = Api::new(&profile)?;
    let link = api.post("/login-links", &json!({})).await?;
    let devices = stations as usize + 1;
    let stage = Stage { dir, server, api, profile, fingerprint, devices, began };
    stage.say("The fleet server runs. This link opens its dashboard, once:");
    println!("\n        {}\n", field(&link, "/url"));
    Ok(stage)
}

/// One real agent process and a flock of simulated stations, each with its own certificate.
async fn enrol(
    stage: &mut Stage<'_>,
    programs: &Programs,
    stations: u32,
) -> anyhow::Result<(Running, Running)> {
    let wish = json!({"kind": "enrol", "uses": stations + 1, "expires_seconds": 3600, "label": "demo"});
    let token = field(&stage.api.post("/tokens", &wish).await?, "/token");
    let agent_dir = stage.dir.join("agent");
    let data_dir = text(&agent_dir)?;
    let server = stage.profile.server.clone();
    let readings = stage.dir.join("data/stations.csv");
    std::fs::create_dir_all(&agent_dir)?;
    let config = agent_dir.join("agent.toml");
    std::fs::write(&config, agent_config(data_dir, text(&readings)?))?;
    let wish = [
        "enrol",
        &server,
        "--ca",
        &stage.fingerprint,
        "--token",
        &token,
        "--device",
        "agent-1",
        "--data-dir",
        data_dir,
    ];
    programs.output("dunlin-agent", &wish).await?;
    let agent = programs.start("dunlin-agent", &["run", "--config", text(&config)?])?;

    let (count, pace, window) = (stations.to_string(), PACE.to_string(), WINDOW_SECONDS.to_string());
    let flock_dir = stage.dir.join("stations");
    let wish = [
        "--server",
        &server,
        "--ca",
        &stage.fingerprint,
        "--token",
        &token,
        "--devices",
        &count,
        "--data",
        text(&readings)?,
        "--dir",
        text(&flock_dir)?,
        "--speed",
        &pace,
        "--window-seconds",
        &window,
        "--json",
    ];
    let mut flock = programs.start("dunlin-sim", &wish)?;
    let (api, devices) = (stage.api.clone(), stage.devices);
    wait::until("all devices are online", Duration::from_secs(60), || {
        let (alive, api) = (flock.check().and_then(|()| stage.server.check()), api.clone());
        async move {
            alive?;
            fleet::online(&api, devices).await
        }
    })
    .await?;
    stage.say(&format!(
        "{devices} devices are online: one real agent process and {stations} simulated stations."
    ));
    stage.look("/", "the fleet");
    Ok((agent, flock))
}

fn agent_config(data_dir: &str, readings: &str) -> String {
    format!(
        "data_dir = {data_dir:?}\n\n[serving]\nlisten = \"127.0.0.1:0\"\n\n[telemetry]\nwindow_seconds = {WINDOW_SECONDS}\n\n\
         [source]\nkind = \"replay\"\npath = {readings:?}\nrows_per_second = {PACE}\nrepeat = true\n\n\
         [update]\nprobation_seconds = 3\n"
    )
}

/// Uploads readings, trains on the server, and signs the result with the owner's release key.
async fn learn(stage: &Stage<'_>, table: &str, version: &str) -> anyhow::Result<ModelRef> {
    let dataset = train::upload(&stage.api, &stage.dir.join("data").join(table)).await?;
    let wish = json!({
        "dataset": dataset, "model": "rain", "version": version, "target": "rain",
        "split": {"kind": "time", "holdout": 0.2}, "folds": 5, "seed": 1,
    });
    let job = train::train(&stage.api, &wish, &ProgressBar::new(1000)).await?;
    let model: ModelRef = output::model(job.pointer("/result/model")).parse()?;
    let score = |whose: &str| field(&job, &format!("/result/{whose}/accuracy"));
    stage.say(&format!(
        "Trained {model}: {} of the held-out days are right; always saying \"dry\" gets {}.",
        score("metrics"),
        score("baseline")
    ));
    let owner_keys = stage.profile.owner_keys.clone().context("the demo has no owner's keys")?;
    key::release(&stage.api, &owner_keys, &model).await?;
    Ok(model)
}

async fn roll_out(stage: &Stage<'_>, model: &ModelRef) -> anyhow::Result<()> {
    let id = fleet::roll_out(&stage.api, model).await?;
    stage.look(&format!("/rollouts/{id}"), "the waves");
    let ends = ["completed", "rolled-back", "aborted"];
    let what = format!("{model} is on every device");
    let rollout =
        wait::until(&what, Duration::from_secs(180), || fleet::rollout_is(&stage.api, &id, &ends)).await?;
    if field(&rollout, "/phase") != "completed" {
        bail!("the rollout of {model} ended otherwise: {}", crate::command::rollout::line(&rollout));
    }
    wait::until(&what, Duration::from_secs(60), || fleet::all_serve(&stage.api, model, stage.devices))
        .await?;
    wait::until("windows arrive", Duration::from_secs(60), || fleet::answers(&stage.api, model)).await?;
    stage.say(&format!("All {} devices answer with {model} and report what they see.", stage.devices));
    Ok(())
}

async fn break_sensors(stage: &mut Stage<'_>, flock: &mut Running) -> anyhow::Result<()> {
    flock.tell("fault 3 stuck sea_level_pressure_hpa").await?;
    flock.tell("fault 7 unit dew_point_f").await?;
    stage
        .say("Two sensors break: one station's pressure is stuck, another reports its dew point in Celsius.");
    for (device, feature) in [("station-03", "sea_level_pressure_hpa"), ("station-07", "dew_point_f")] {
        let what = format!("an alert names {feature} on {device}");
        let look = || fleet::sensor_fault(&stage.api, device, feature);
        let message = wait::until(&what, Duration::from_secs(120), look).await?;
        stage.say(&format!("Seen: {message}"));
    }
    stage.look("/alerts", "what needs attention");
    Ok(())
}

async fn take_back(stage: &Stage<'_>, bad: &ModelRef, good: &ModelRef) -> anyhow::Result<()> {
    let id = fleet::roll_out(&stage.api, bad).await?;
    stage.look(&format!("/rollouts/{id}"), "how it is stopped");
    let ends = ["completed", "rolled-back", "aborted"];
    let what = format!("{bad} is stopped");
    let rollout =
        wait::until(&what, Duration::from_secs(180), || fleet::rollout_is(&stage.api, &id, &ends)).await?;
    if field(&rollout, "/phase") != "rolled-back" {
        bail!("{bad} answers wrongly and was not stopped: {}", crate::command::rollout::line(&rollout));
    }
    let what = format!("every device answers with {good} again");
    wait::until(&what, Duration::from_secs(60), || fleet::all_serve(&stage.api, good, stage.devices)).await?;
    stage.say(&format!("{bad} was stopped and taken back: {}", field(&rollout, "/reason")));
    stage.say(&format!("Every device answers with {good} again."));
    Ok(())
}

fn finish(stage: &Stage<'_>) {
    let profile = stage.dir.join("profile.json");
    let profile = profile.display();
    println!(
        "\nNow your own model:\n\n  export DUNLIN_PROFILE={profile}\n  dunlin model push my-model.onnx --as my-model-1.0.0 --sign\n  \
         dunlin rollout start my-model-1.0.0 --waves quick\n"
    );
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("the folder name {} is not UTF-8", path.display()))
}
