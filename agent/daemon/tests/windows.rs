//! Windows say what passed and how long it took, whatever happens to the clock, the model or the disk meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use dunlin_agent::{
    Clock,
    pipeline::{
        Pipeline,
        recent::{Feedback, Recent},
    },
    sampling::{self, Sampler},
    serving::{LoadedModel, Models},
    spool::{self, Spool},
    telemetry::Windows,
};
use dunlin_protocol::{
    Channel, Message as _,
    message::{ClockQuality, Window},
};
use tempfile::TempDir;
use world::{bundle, row};

/// A clock that a test sets.
#[derive(Default)]
struct Hands {
    wall_ms: AtomicI64,
    elapsed_ms: AtomicU64,
}

impl Hands {
    fn pass(&self, ms: u32) {
        self.wall_ms.fetch_add(i64::from(ms), Ordering::Relaxed);
        self.elapsed_ms.fetch_add(u64::from(ms), Ordering::Relaxed);
    }

    fn set(&self, by_ms: i64) {
        self.wall_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::Relaxed)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms.load(Ordering::Relaxed))
    }

    fn quality(&self) -> ClockQuality {
        ClockQuality::Synchronised
    }
}

struct Station {
    clock: Arc<Hands>,
    spool: Arc<Spool>,
    windows: Windows,
    pipeline: Pipeline,
    _folder: TempDir,
}

impl Station {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hands::default());
        clock.pass(1_000_000);
        let spool = Arc::new(Spool::open(folder.path(), &spool::Config::default(), 1));
        let models = Arc::new(Models::default());
        let sampler = Sampler::new(sampling::Config::default(), spool.clone(), clock.clone());
        let windows = Windows::new(models.clone(), spool.clone(), clock.clone());
        let progress = Default::default();
        let pipeline = Pipeline { models, recent: Recent::default(), sampler, progress };
        let station = Self { clock, spool, windows, pipeline, _folder: folder };
        station.swap("1.0.0");
        station
    }

    fn swap(&self, version: &str) {
        let loaded = LoadedModel::from_bundle(&bundle(version, true), "", &*self.clock).unwrap();
        self.pipeline.models.put(Arc::new(loaded), None);
    }

    fn ask(&self, id: &str) {
        let loaded = self.pipeline.models.get("line").unwrap();
        self.pipeline.infer(&loaded, id, &row(0.1), None).unwrap();
    }

    fn windows(&self) -> Vec<Window> {
        let entries = self.spool.pending(None, usize::MAX);
        let windows = entries.iter().filter(|entry| entry.channel == Channel::Window);
        windows.map(|entry| Window::decode(&entry.bytes).unwrap()).collect()
    }
}

#[test]
fn a_clock_that_is_set_changes_no_length() {
    for jump in [86_400_000, -500_000, 0] {
        let station = Station::new();
        station.ask("a");
        station.clock.pass(1_000);
        station.clock.set(jump);
        station.clock.pass(2_000);
        assert_eq!(station.windows.close(), 1);
        let window = &station.windows()[0];
        assert_eq!(window.duration_ms, 3_000, "after a jump of {jump} ms");
        assert_eq!(window.start_ms, station.clock.now_ms() - 3_000);
    }
}

#[test]
fn a_label_that_comes_long_after_its_model_was_swapped_is_counted() {
    let station = Station::new();
    station.ask("a");
    station.windows.close();
    station.swap("1.1.0");
    for _ in 0..5 {
        assert_eq!(station.windows.close(), 0);
    }
    assert_eq!(station.pipeline.recent.feedback("a", "0.5"), Feedback::Counted);
    assert_eq!(station.windows.close(), 1);
    let window = station.windows().pop().unwrap();
    assert_eq!((window.model.version.to_string().as_str(), window.labels.count), ("1.0.0", 1));
    // Nothing more can be counted: it is forgotten.
    assert_eq!(station.pipeline.models.to_close().len(), 1);
}
