//! What things cost, next to their budgets: `make bench`, which builds the programs as they are shipped and runs
//! Criterion's benches first. This reads what those found, and measures the programs themselves.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use dunlin_tests::{
    fleet::{Device, Fleet, readings, text},
    program,
    programs::until,
};
use serde_json::{Value, json};

/// One row of the table. A figure is over its budget when it is on the wrong side of it.
struct Row {
    what: &'static str,
    figure: f64,
    budget: f64,
    unit: &'static str,
    /// Whether more is better.
    at_least: bool,
    note: String,
}

impl Row {
    fn at_most(what: &'static str, figure: f64, budget: f64, unit: &'static str) -> Self {
        Self { what, figure, budget, unit, at_least: false, note: String::new() }
    }

    fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    fn is_kept(&self) -> bool {
        if self.at_least { self.figure >= self.budget } else { self.figure <= self.budget }
    }
}

fn main() {
    let mut rows = benches();
    rows.extend(programs());
    rows.extend(running());
    if std::env::args().any(|argument| argument == "--json") {
        let row = |row: &Row| {
            json!({"what": row.what, "figure": row.figure, "unit": row.unit, "budget": row.budget,
                "at_least": row.at_least, "kept": row.is_kept(), "note": row.note})
        };
        let rows: Vec<Value> = rows.iter().map(row).collect();
        println!("{}", json!({"architecture": std::env::consts::ARCH, "budgets": rows}));
        return;
    }
    println!("\n{:<44} {:>12} {:>14}", "what", "measured", "budget");
    for row in &rows {
        let sign = if row.at_least { "≥" } else { "≤" };
        let (figure, budget) = (shown(row.figure, row.unit), shown(row.budget, row.unit));
        let mark = if row.is_kept() { "kept" } else { "OVER" };
        println!("{:<44} {figure:>12} {:>14}  {mark}  {}", row.what, format!("{sign} {budget}"), row.note);
    }
}

fn shown(figure: f64, unit: &str) -> String {
    if figure >= 100.0 || figure.fract() == 0.0 {
        format!("{figure:.0} {unit}")
    } else {
        format!("{figure:.2} {unit}")
    }
}

/// What Criterion found.
fn benches() -> Vec<Row> {
    let (bare, whole) = (median_ns("inference/bare"), median_ns("inference/with_statistics"));
    let batch = median_ns("store/windows_per_second");
    vec![
        Row::at_most("inference beyond the bare call, 16 features", (whole - bare) / 1e3, 3.0, "µs").note(
            format!("bare {:.2} µs, with statistics and bookkeeping {:.2} µs", bare / 1e3, whole / 1e3),
        ),
        Row::at_most("statistics, one value", median_ns("statistics/value"), 5.0, "ns"),
        Row {
            what: "windows that the server stores a second",
            figure: 1000.0 * 1e9 / batch,
            budget: 5000.0,
            unit: "/s",
            at_least: true,
            note: "1.4 kB each, 1,000 a durable transaction, without the network".into(),
        },
    ]
}

/// Median of the last run of a bench, in nanoseconds.
fn median_ns(bench: &str) -> f64 {
    let this = std::env::current_exe().unwrap();
    // …/release/examples/budgets → …/criterion
    let place = this.ancestors().nth(3).unwrap().join("criterion").join(bench).join("new/estimates.json");
    let found = fs::read(&place)
        .unwrap_or_else(|error| panic!("{}: {error}; run the benches first: make bench", place.display()));
    let found: Value = serde_json::from_slice(&found).unwrap();
    found
        .pointer("/median/point_estimate")
        .and_then(Value::as_f64)
        .expect("Criterion's estimates have a median")
}

/// How large the shipped programs are.
fn programs() -> Vec<Row> {
    let size = fs::metadata(program("dunlin-agent").unwrap()).unwrap().len();
    let here = std::env::consts::ARCH;
    let budget = if here == "x86_64" { 16.0 } else { 12.0 };
    vec![Row::at_most("agent program, stripped", size as f64 / 1e6, budget, "MB").note(format!("of {here}"))]
}

/// What a real agent with a real model costs.
fn running() -> Vec<Row> {
    const WAVES: &str = "[[wave]]\npercent = 100\nsoak = \"1s\"\nmin_devices = 1\nmin_inferences = 0\n\
        max_failure_ratio = 0.5\nmax_health_drop = 0.5\ndeadline = \"60s\"\n";
    const SETTINGS: &str = "[update]\nprobation_seconds = 1\n";
    let fleet = Fleet::new();
    let waves = fleet.write("waves.toml", WAVES);
    let _server = fleet.serve();
    fleet.train("1.0.0", "0..3000");
    let device = fleet.enrol("board", SETTINGS);
    let mut agent = device.start();
    let begun = fleet.dunlin(&["rollout", "start", "rain-1.0.0", "--waves", text(&waves)]);
    assert!(begun.status.success(), "{}", String::from_utf8_lossy(&begun.stderr));
    until("the agent has committed the model", Duration::from_secs(60), || {
        let status = device.status()?;
        let state = status.pointer("/state/updates/0/state").map(Value::to_string).unwrap_or_default();
        if state.to_lowercase().contains("committed") { Ok(()) } else { Err(status.to_string()) }
    });
    agent.kill();

    let question = question();
    let mut starts: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            let mut agent = device.start();
            let took = first_answer(&device, &question, start);
            agent.kill();
            took
        })
        .collect();
    starts.sort();

    // Idle: connected, the model loaded and asked once, nothing else.
    let agent = device.start();
    first_answer(&device, &question, Instant::now());
    until("the server sees the agent online", Duration::from_secs(30), || {
        let seen = fleet.ask(&["device", "show", &device.name]);
        if seen["status"] == "online" { Ok(()) } else { Err(seen.to_string()) }
    });
    std::thread::sleep(Duration::from_secs(10));
    let memory = Memory::of(agent.id());
    drop(agent);

    // A minute with a window a second is written like an hour with one a minute.
    let device = fleet.device(&device.name, &format!("{SETTINGS}[telemetry]\nwindow_seconds = 1\n"));
    let agent = device.start();
    first_answer(&device, &question, Instant::now());
    std::thread::sleep(Duration::from_secs(5));
    let (before, windows) = (written(agent.id()), 60.0);
    for _ in 0..60 {
        first_answer(&device, &question, Instant::now());
        std::thread::sleep(Duration::from_secs(1));
    }
    let day = (written(agent.id()) - before) / windows * 24.0 * 60.0;
    vec![
        Row::at_most("agent, start to first answer", starts[2].as_secs_f64() * 1e3, 150.0, "ms")
            .note("median of 5, a model on disk"),
        Row::at_most("agent memory, connected, one model, idle", memory.resident / 1e6, 16.0, "MB")
            .note(format!("{:.1} MB of its own, the rest are pages of program files", memory.own / 1e6)),
        Row::at_most("written to flash a day, one window a minute", day / 1e6, 20.0, "MB")
            .note("as the kernel counts it for the agent, connected"),
    ]
}

/// A day of the readings, in the order of the table's columns.
fn question() -> String {
    let table = readings();
    let day = table.lines().nth(1).unwrap().split(',');
    let mut day: Vec<f64> = day.map(|value| value.parse().unwrap_or(0.0)).collect();
    day.pop();
    json!({"inputs": [{"name": "x", "shape": [1, day.len()], "datatype": "FP32", "data": day}]}).to_string()
}

/// Time until the local API answers. The port refuses at once until it is open, so asking costs little.
fn first_answer(device: &Device, question: &str, start: Instant) -> Duration {
    loop {
        match device.request("POST", "/v2/models/rain/infer", question) {
            Ok(_) => return start.elapsed(),
            Err(seen) if start.elapsed() > Duration::from_secs(20) => panic!("no answer: {seen}"),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Bytes that a process had written to disk so far, from `/proc/PID/io` (proc_pid_io(5)).
fn written(process: u32) -> f64 {
    let counters = fs::read_to_string(format!("/proc/{process}/io")).expect("writing is counted on Linux");
    let line =
        counters.lines().find_map(|line| line.strip_prefix("write_bytes:")).expect("the kernel says it");
    line.trim().parse().expect("a number of bytes")
}

/// Memory of a process, in bytes.
struct Memory {
    resident: f64,
    own: f64,
}

impl Memory {
    /// From `/proc/PID/status` (proc_pid_status(5)).
    fn of(process: u32) -> Self {
        let path = format!("/proc/{process}/status");
        let status = fs::read_to_string(Path::new(&path)).expect("memory is measured on Linux");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel says it");
            line.trim_end_matches("kB").trim().parse::<f64>().expect("a number of kB") * 1024.0
        };
        Self { resident: field("VmRSS:"), own: field("RssAnon:") }
    }
}
