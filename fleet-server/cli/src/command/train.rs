//! `dunlin train`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use dunlin_protocol::{ModelName, ModelVersion};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::Session;
use crate::{
    client::Api,
    output::{self, field},
};

/// Arguments of `dunlin train`.
#[derive(clap::Args)]
pub struct Arguments {
    /// CSV file with a heading line.
    data: PathBuf,
    /// Name of the model.
    #[arg(long)]
    model: ModelName,
    /// Its version [default: the next one].
    #[arg(long)]
    version: Option<ModelVersion>,
    /// Column to predict.
    #[arg(long)]
    target: String,
    /// Columns to predict from [default: all others].
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// What to learn [default: by the target; texts or at most 20 different whole numbers are classes].
    #[arg(long, value_parser = ["classification", "regression"])]
    task: Option<String>,
    /// Which rows are held out for the test: the last ones, random ones, random ones of each class, or all rows of
    /// some groups.
    #[arg(long, default_value = "time", value_parser = ["time", "random", "stratified", "group"])]
    split: String,
    /// Column that names the device or subject; all rows of one stay on one side of the split.
    #[arg(long, value_name = "COLUMN", required_if_eq("split", "group"))]
    group: Option<String>,
    /// Share of the rows that is held out.
    #[arg(long, default_value_t = 0.2)]
    holdout: f64,
    /// Folds of the cross-validation.
    #[arg(long, default_value_t = 5)]
    folds: u32,
    /// Use only these rows, first and one past the last, counted from 0.
    #[arg(long, value_name = "FROM..TO", value_parser = rows)]
    rows: Option<(u64, u64)>,
    /// What stands in for missing numbers.
    #[arg(long, default_value = "median", value_parser = ["median", "mean"])]
    impute: String,
    /// Penalties on squared weights that are tried [default: a small grid].
    #[arg(long, value_delimiter = ',')]
    penalties: Vec<f64>,
    /// Unit of a column [default: that of its suffix, such as _hpa].
    #[arg(long = "unit", value_name = "COLUMN=UNIT", value_parser = unit)]
    units: Vec<(String, String)>,
    /// Physically possible values of a column; what lies outside is a fault of the sensor.
    #[arg(long = "range", value_name = "COLUMN=LOW..HIGH", value_parser = range)]
    ranges: Vec<(String, [f64; 2])>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn unit(text: &str) -> Result<(String, String), String> {
    let (column, unit) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not a column and its unit; write for example pressure=hPa"))?;
    Ok((column.to_owned(), unit.to_owned()))
}

fn range(text: &str) -> Result<(String, [f64; 2]), String> {
    let wrong = || format!("{text:?} is not a column and its range; write for example pressure=850..1100");
    let (column, values) = text.rsplit_once('=').ok_or_else(wrong)?;
    let (low, high) = values.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let (low, high) = (number(low).ok_or_else(wrong)?, number(high).ok_or_else(wrong)?);
    if low < high { Ok((column.to_owned(), [low, high])) } else { Err(wrong()) }
}

fn rows(text: &str) -> Result<(u64, u64), String> {
    let wrong = || format!("{text:?} is not a range of rows; write for example 0..12000");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?);
    if from < to { Ok((from, to)) } else { Err(wrong()) }
}

/// Uploads the data, trains, and shows the bar until the job is over.
pub async fn run(session: &Session, arguments: Arguments) -> anyhow::Result<()> {
    let api = session.api()?;
    let dataset = upload(&api, &arguments.data).await?;
    let mut wish = json!({
        "dataset": dataset,
        "model": arguments.model,
        "target": arguments.target,
        "split": {"kind": arguments.split, "holdout": arguments.holdout},
        "folds": arguments.folds,
        "seed": arguments.seed,
        "imputation": arguments.impute,
        "units": arguments.units.into_iter().collect::<BTreeMap<_, _>>(),
        "ranges": arguments.ranges.into_iter().collect::<BTreeMap<_, _>>(),
    });
    if let Some(group) = &arguments.group {
        wish["split"]["group"] = json!(group);
    }
    if let Some(task) = &arguments.task {
        wish["task"] = json!(task);
    }
    if !arguments.penalties.is_empty() {
        wish["penalties"] = json!(arguments.penalties);
    }
    if let Some(version) = &arguments.version {
        wish["version"] = json!(version);
    }
    if !arguments.features.is_empty() {
        wish["features"] = json!(arguments.features);
    }
    if let Some((from, to)) = arguments.rows {
        wish["rows"] = json!([from, to]);
    }
    let bar = if session.json { ProgressBar::hidden() } else { ProgressBar::new(1000) };
    let job = train(&api, &wish, &bar).await?;
    session.print(&job, finished)
}

/// Uploads a CSV file and returns the dataset's id.
pub async fn upload(api: &Api, file: &Path) -> anyhow::Result<String> {
    let bytes =
        std::fs::read(file).with_context(|| format!("cannot read {}; check the path", file.display()))?;
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("data");
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    let sent = api.upload(&format!("/datasets?name={name}"), "text/csv", bytes).await;
    let dataset = sent.with_context(|| format!("{} was not taken", file.display()))?;
    Ok(field(&dataset, "/id"))
}

/// Starts a training job and waits until it is over; the answer is the finished job.
pub async fn train(api: &Api, wish: &Value, bar: &ProgressBar) -> anyhow::Result<Value> {
    bar.set_style(ProgressStyle::with_template("{bar:30} {percent:>3} % {msg}")?);
    let started = api.post("/jobs/train", wish).await?;
    let id = field(&started, "/id");
    loop {
        let job: Value = api.get(&format!("/jobs/{id}")).await?;
        let share = job.get("progress").and_then(Value::as_f64).unwrap_or(0.0);
        bar.set_position((share.clamp(0.0, 1.0) * 1000.0) as u64);
        bar.set_message(field(&job, "/step"));
        match field(&job, "/state").as_str() {
            "done" => {
                bar.finish_and_clear();
                return Ok(job);
            }
            "failed" => {
                bar.abandon();
                bail!("training failed: {}", field(&job, "/error"));
            }
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

fn finished(job: &Value) {
    let model = output::model(job.pointer("/result/model"));
    println!("Trained {model}; it passed its probe and is a candidate.");
    let metrics = job.pointer("/result/metrics").and_then(Value::as_object);
    let rows = metrics
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.is_number())
        .map(|(name, _)| {
            let of = |whose: &str| field(job, &format!("/result/{whose}/{name}"));
            [name.clone(), of("metrics"), of("baseline"), of("champion")]
        })
        .collect();
    output::table(["on held-out rows", "this model", "baseline", "champion"], rows, "It reports no metrics.");
    println!("Next: `dunlin model sign {model}`, then `dunlin rollout start {model}`.");
}

#[cfg(test)]
mod tests {
    use super::{range, rows, unit};

    #[test]
    fn units_and_ranges_are_read_by_column() {
        assert_eq!(unit("pressure=hPa"), Ok(("pressure".into(), "hPa".into())));
        assert_eq!(range("t=-40..60.5"), Ok(("t".into(), [-40.0, 60.5])));
        for bad in ["t", "t=", "t=5", "t=9..1", "t=a..b", "t=0..inf"] {
            assert!(range(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(unit("pressure").is_err());
    }

    #[test]
    fn a_range_of_rows_is_read_and_an_empty_one_refused() {
        assert_eq!(rows("0..12000"), Ok((0, 12_000)));
        for bad in ["", "5", "5..5", "9..2", "a..b", "-1..3"] {
            assert!(rows(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
