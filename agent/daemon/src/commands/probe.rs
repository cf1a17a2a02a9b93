//! `dunlin-agent probe BUNDLE`: judges a bundle before it is signed. The fleet server runs it in a child process;
//! what is judged is the very code that devices run.

use std::{
    fs::File,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use dunlin_protocol::{bundle::Bundle, spec::Task, tensor::Tensor};
use dunlin_runtime::{
    Model, answer,
    rows::{read_csv, run_rows},
    statistics::Truth,
    trial,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    exit, golden,
    load::{Given, load},
    print_json,
};
use crate::{board::report::resident_bytes, pipeline::truth::truth};

/// Most runs that are timed, and how long they may take together: no run begins after it.
const TIMED_RUNS: usize = 200;
const TIMED: Duration = Duration::from_secs(2);

/// Most rows of a hold-out set.
const MAX_ROWS: usize = 200_000;

/// Exit code of a probe that ran out of time.
const OUT_OF_TIME: i32 = 1;

/// What was typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle.
    bundle: PathBuf,
    /// Labelled rows that the model was not trained on, CSV.
    #[arg(long)]
    holdout: Option<PathBuf>,
    /// Longest time, in seconds.
    #[arg(long, default_value_t = 60)]
    limit_seconds: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

/// The report.
#[derive(Debug, Default, Serialize)]
struct Report {
    ok: bool,
    model: Option<String>,
    checks: Vec<Check>,
    compared: bool,
    spec: Value,
    latency_us: Option<Latency>,
    memory_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    holdout: Option<Value>,
}

impl Report {
    fn check<T, E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        result: Result<(T, String), E>,
    ) -> Option<T> {
        let (ok, detail, value) = match result {
            Ok((value, detail)) => (true, detail, Some(value)),
            Err(error) => (false, format!("{error:#}"), None),
        };
        self.checks.push(Check { name, ok, detail });
        value
    }
}

/// Judges. Exit 1 when the bundle must not be signed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    watch_time(Duration::from_secs(args.limit_seconds.max(1)), args.json);
    go_first();
    let mut report = Report::default();
    let before = resident_bytes();
    judge(args, &mut report);
    report.ok = report.checks.iter().all(|check| check.ok);
    report.memory_bytes = resident_bytes().saturating_sub(before);
    if args.json {
        print_json(&report)?;
    } else {
        println!("{}", report.model.as_deref().unwrap_or("(no bundle)"));
        for check in &report.checks {
            println!("  {} {:<10} {}", if check.ok { '✓' } else { '✗' }, check.name, check.detail);
        }
        if let Some(holdout) = &report.holdout {
            println!("  hold-out   {holdout}");
        }
    }
    Ok(exit(report.ok))
}

/// Where memory runs out, this process ends and not one that serves. Who started it may have said so already.
fn go_first() {
    const MOST: &str = "1000";
    std::fs::write("/proc/self/oom_score_adj", MOST).ok();
}

/// Ends the process when the time is up: a graph may loop where nothing can interrupt it.
fn watch_time(limit: Duration, json: bool) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        let detail = format!("it took longer than {} s", limit.as_secs());
        if json {
            let checks = [Check { name: "time", ok: false, detail }];
            println!("{}", json!({ "ok": false, "checks": checks, "compared": false }));
        } else {
            eprintln!("error: {detail}");
        }
        std::process::exit(OUT_OF_TIME);
    });
}

fn judge(args: &Args, report: &mut Report) {
    let bundle = load(&args.bundle).and_then(|given| match given {
        Given::Bundle(bundle) => Ok((bundle, "members and hashes agree".to_owned())),
        Given::Onnx(_) => anyhow::bail!("{} is a bare model; push it with a name", args.bundle.display()),
    });
    let Some(bundle) = report.check("bundle", bundle) else { return };
    report.model = Some(bundle.model_ref().to_string());
    report.spec = serde_json::to_value(&bundle.manifest.spec).unwrap_or_default();
    let loaded =
        Model::load(&bundle.model, Some(&bundle.manifest.spec)).map(|model| (model, "it loads".to_owned()));
    let Some(model) = report.check("load", loaded) else { return };
    compare(&bundle, &model, report);
    if let Some(inputs) = sample_inputs(&bundle) {
        let timed = time(&model, &inputs).map(|latency| (latency, latency.to_string()));
        report.latency_us = report.check("run", timed);
    }
    if let Some(path) = &args.holdout {
        let judged = holdout(&model, path).map(|metrics| {
            let detail = metrics.to_string();
            (metrics, detail)
        });
        report.holdout = report.check("holdout", judged);
    }
}

fn compare(bundle: &Bundle, model: &Model, report: &mut Report) {
    let Some(vectors) = &bundle.golden else {
        let unsaid = "no golden vectors from another runtime: numbers not compared".to_owned();
        report.check("golden", Ok::<_, anyhow::Error>(((), unsaid)));
        return;
    };
    let compared = golden::compare(model, vectors).map(|words| ((), words));
    report.compared = report.check("golden", compared).is_some();
}

/// The golden vectors, or a row of zeros.
fn sample_inputs(bundle: &Bundle) -> Option<Vec<Tensor>> {
    let golden = bundle.golden.as_ref().map(|golden| golden.inputs.clone());
    golden.or_else(|| trial::zeros(&bundle.manifest.spec))
}

/// Microseconds of a call, by rows of its input.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    p50: f64,
    p99: f64,
}

impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} µs a row, p99 {:.1} µs", self.p50, self.p99)
    }
}

/// Runs the model many times, as far as the time for it goes.
pub fn time(model: &Model, inputs: &[Tensor]) -> anyhow::Result<Latency> {
    let rows = inputs.first().and_then(|tensor| tensor.shape.first().copied()).unwrap_or(1).max(1);
    let begun = Instant::now();
    let mut micros = Vec::with_capacity(TIMED_RUNS);
    while micros.len() < TIMED_RUNS && (micros.is_empty() || begun.elapsed() < TIMED) {
        let started = Instant::now();
        model.run(inputs)?;
        micros.push(started.elapsed().as_secs_f64() * 1e6 / rows as f64);
    }
    micros.sort_by(f64::total_cmp);
    Ok(Latency { p50: micros[micros.len() / 2], p99: micros[micros.len() * 99 / 100] })
}

fn holdout(model: &Model, path: &std::path::Path) -> anyhow::Result<Value> {
    let spec = model.spec();
    let target = spec.target.as_deref();
    let target =
        target.ok_or_else(|| anyhow::anyhow!("the model's spec names no target column to compare with"))?;
    let rows = read_csv(File::open(path)?, MAX_ROWS)?;
    let outputs = run_rows(model, &rows)?;
    let (mut count, mut wrong, mut squared) = (0_u64, 0_u64, 0.0);
    for (index, row) in rows.iter().enumerate() {
        let label = row
            .get(target)
            .ok_or_else(|| anyhow::anyhow!("column `{target}` is missing in the hold-out set"))?;
        match truth(&answer::interpret(spec, &outputs, index), label) {
            Some(Truth::Label { correct }) => wrong += u64::from(!correct),
            Some(Truth::Number { error }) => squared += error * error,
            None => continue,
        }
        count += 1;
    }
    anyhow::ensure!(count > 0, "no row of the hold-out set has a label that can be compared");
    let n = count as f64;
    let metrics = match spec.task {
        Task::Classification => json!({ "accuracy": 1.0 - wrong as f64 / n }),
        _ => json!({ "rmse": (squared / n).sqrt() }),
    };
    Ok(json!({ "rows": count, "metrics": metrics }))
}
