//! One model in memory: its version, its graph and its counters belong together and never part.

use std::{
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use dunlin_protocol::{
    ModelRef,
    bundle::{self, Bundle},
    spec::ModelSpec,
    statistics::{FeatureReference, Reference},
    tensor::Tensor,
};
use dunlin_runtime::{Model, RunError, statistics::Observer};

use crate::clock::Clock;

/// A model that can answer.
#[derive(Debug)]
pub struct LoadedModel {
    /// Name and version.
    pub model: ModelRef,
    /// SHA-256 of its bundle, lower-case hex.
    pub sha256: String,
    /// False while its golden vectors come from no other runtime.
    pub compared: bool,
    /// Since when it answers, in milliseconds since 1970 by the device's clock.
    pub since_ms: i64,
    /// Answers given.
    pub answered: AtomicU64,
    /// Runs that failed.
    pub failed: AtomicU64,
    /// When its open window began, as the device's clock counts what elapsed.
    window_began: Mutex<Duration>,
    runner: Model,
    observer: Mutex<Observer>,
    /// Training minimum and maximum per feature, `None` for texts and without a reference.
    ranges: Vec<Option<[f32; 2]>>,
}

impl LoadedModel {
    /// Reads a bundle file whose hash was recorded when its signature was verified, and loads it.
    /// Whatever differs from that hash is refused.
    pub fn open(
        path: &Path,
        model: &ModelRef,
        sha256: &str,
        clock: &dyn Clock,
    ) -> anyhow::Result<(Self, Bundle)> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let found = sha256_hex(&bytes);
        if found != sha256 {
            bail!("{} has SHA-256 {found}, {sha256} was signed; the file is damaged", path.display());
        }
        let bundle = bundle::read(&bytes)?;
        if bundle.model_ref() != model {
            bail!("the bundle holds {}, {model} was asked for", bundle.model_ref());
        }
        let loaded = Self::from_bundle(&bundle, sha256, clock)?;
        Ok((loaded, bundle))
    }

    /// Loads a bundle.
    pub fn from_bundle(bundle: &Bundle, sha256: &str, clock: &dyn Clock) -> anyhow::Result<Self> {
        let runner = Model::load(&bundle.model, Some(&bundle.manifest.spec))
            .with_context(|| format!("model {} cannot be loaded", bundle.model_ref()))?;
        Ok(Self {
            model: bundle.model_ref().clone(),
            sha256: sha256.to_owned(),
            compared: bundle.golden.is_some(),
            since_ms: clock.now_ms(),
            window_began: Mutex::new(clock.elapsed()),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            observer: Mutex::new(Observer::new(runner.spec(), bundle.reference.as_ref())),
            ranges: ranges(bundle.reference.as_ref()),
            runner,
        })
    }

    /// What it takes and gives.
    pub fn spec(&self) -> &ModelSpec {
        self.runner.spec()
    }

    /// The graph, for the golden check.
    pub fn runner(&self) -> &Model {
        &self.runner
    }

    /// Runs one batch and counts it. Inputs that do not fit are the asker's fault and not counted as failures.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        let started = Instant::now();
        let result = self.runner.run(inputs);
        let microseconds = started.elapsed().as_secs_f64() * 1e6;
        match &result {
            Ok(outputs) => {
                self.observer().observe(inputs, outputs, microseconds);
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(RunError::Engine { .. }) => {
                self.observer().observe_failure();
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        result
    }

    /// Its counters of the open window.
    pub fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a new window at `elapsed`; how long the one before it was.
    pub fn next_window(&self, elapsed: Duration) -> Duration {
        let mut began = self.window_began.lock().unwrap_or_else(PoisonError::into_inner);
        elapsed.saturating_sub(std::mem::replace(&mut *began, elapsed))
    }

    /// True when a number of the first row lies outside of what the model was trained on.
    pub fn is_novel(&self, inputs: &[Tensor]) -> bool {
        let mut ranges = self.ranges.iter();
        self.spec().inputs.iter().any(|input| {
            let of_input: Vec<_> = ranges.by_ref().take(input.features.len()).collect();
            let Some(tensor) = inputs.iter().find(|tensor| tensor.name == input.name) else { return false };
            of_input.iter().enumerate().any(|(column, range)| match (range, tensor.data.number(column)) {
                (Some([low, high]), Some(x)) => x < f64::from(*low) || x > f64::from(*high),
                _ => false,
            })
        })
    }
}

/// Holds a model against its bundle's golden vectors; without any there is nothing to hold it against.
pub fn prove(loaded: &LoadedModel, bundle: &Bundle) -> anyhow::Result<()> {
    let Some(vectors) = &bundle.golden else { return Ok(()) };
    let report = dunlin_runtime::golden::check(loaded.runner(), vectors);
    let first = report.failures.first();
    let shown = first.map(|f| format!("{} row {}: {} instead of {}", f.output, f.row, f.found, f.expected));
    anyhow::ensure!(report.ok, "golden vectors differ: {}", shown.unwrap_or_default());
    Ok(())
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ranges(reference: Option<&Reference>) -> Vec<Option<[f32; 2]>> {
    let features = reference.map(|reference| reference.features.as_slice()).unwrap_or_default();
    features
        .iter()
        .map(|feature| match feature {
            FeatureReference::Numeric { statistics, .. } => Some([statistics.min?, statistics.max?]),
            FeatureReference::Category { .. } => None,
        })
        .collect()
}
