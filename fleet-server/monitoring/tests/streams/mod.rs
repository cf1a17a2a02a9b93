//! Streams of readings with known truth, and references made from them as the trainer makes them.

#![allow(dead_code, reason = "each test file uses its part")]

use dunlin_protocol::{
    message::{ClockQuality, RecordId, Window},
    statistics::{
        Bins, CategoryRecorder, FeatureReference, FeatureStatistics, LabelStatistics, LatencyHistogram,
        NumericRecorder, OutputStatistics, Spread,
        psi::{PSI_GROUPS, psi},
    },
};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// A stationary AR(1) stream with mean 0 and variance 1; φ = 0 is independent.
pub struct Stream {
    random: Pcg64,
    phi: f64,
    last: f64,
}

impl Stream {
    pub fn new(seed: u64, phi: f64) -> Self {
        let mut stream = Self { random: Pcg64::seed_from_u64(seed), phi, last: 0.0 };
        stream.last = stream.normal();
        stream
    }

    fn normal(&mut self) -> f64 {
        // Box–Muller.
        let (u, v): (f64, f64) = (self.random.random(), self.random.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    pub fn value(&mut self) -> f32 {
        self.last = self.phi * self.last + (1.0 - self.phi * self.phi).sqrt() * self.normal();
        self.last as f32
    }

    pub fn take(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }
}

/// Where the wind comes from: stays with probability `stay`, else it is drawn anew.
pub struct Wind {
    random: Pcg64,
    stay: f64,
    now: &'static str,
}

impl Wind {
    pub const FROM: [&'static str; 4] = ["west", "south", "north", "east"];

    pub fn new(seed: u64, stay: f64) -> Self {
        let mut wind = Self { random: Pcg64::seed_from_u64(seed), stay, now: "" };
        wind.now = wind.draw();
        wind
    }

    fn draw(&mut self) -> &'static str {
        let share: f64 = self.random.random();
        Self::FROM[[0.4, 0.7, 0.9].iter().filter(|below| share >= **below).count()]
    }

    pub fn take(&mut self, n: usize) -> Vec<&'static str> {
        let mut taken = Vec::with_capacity(n);
        for _ in 0..n {
            if self.random.random::<f64>() >= self.stay {
                self.now = self.draw();
            }
            taken.push(self.now);
        }
        taken
    }
}

/// Counts texts as a device does.
pub fn count_texts(texts: &[&str]) -> FeatureStatistics {
    let mut recorder = CategoryRecorder::new(Wind::FROM.map(str::to_owned).to_vec());
    texts.iter().for_each(|text| recorder.observe(text));
    FeatureStatistics::Category(recorder.take())
}

/// A reference of texts, without blocks.
pub fn reference_of_texts(texts: &[&str]) -> FeatureReference {
    let FeatureStatistics::Category(statistics) = count_texts(texts) else { panic!("texts") };
    let categories = Wind::FROM.map(str::to_owned).to_vec();
    FeatureReference::Category { categories, statistics, spread: Vec::new() }
}

/// Counts values as a device does.
pub fn count(reference: &FeatureReference, values: &[f32]) -> FeatureStatistics {
    let FeatureReference::Numeric { bins, .. } = reference else { panic!("a number column") };
    let mut recorder = NumericRecorder::new(bins.clone());
    values.iter().for_each(|value| recorder.observe(*value));
    FeatureStatistics::Numeric(recorder.take())
}

/// A reference with the spread of blocks of these lengths.
pub fn reference(values: &[f32], blocks: &[usize]) -> FeatureReference {
    let bins = Bins::from_values(values).expect("finite values");
    let mut recorder = NumericRecorder::new(bins.clone());
    values.iter().for_each(|value| recorder.observe(*value));
    let statistics = recorder.take();
    let whole = statistics.row();
    let mut made = FeatureReference::Numeric { bins, statistics, spread: Vec::new() };
    let spread: Vec<Spread> = blocks
        .iter()
        .map(|rows| {
            let mut distances: Vec<f64> = values
                .chunks_exact(*rows)
                .map(|block| {
                    let FeatureStatistics::Numeric(s) = count(&made, block) else { panic!("numbers") };
                    psi(&whole, &s.row(), PSI_GROUPS).expect("counted")
                })
                .collect();
            distances.sort_by(f64::total_cmp);
            let rank = (distances.len() * 95).div_ceil(100) - 1;
            Spread { rows: *rows as u32, psi_95: distances[rank], psi_max: distances[distances.len() - 1] }
        })
        .collect();
    if let FeatureReference::Numeric { spread: place, .. } = &mut made {
        *place = spread;
    }
    made
}

/// A window of a minute.
pub fn window(minute: i64, inputs: Vec<FeatureStatistics>) -> Window {
    Window {
        record: RecordId { boot: 1, sequence: minute as u64 },
        model: "rain-1.0.0".parse().expect("a model"),
        start_ms: minute * 60_000,
        duration_ms: 60_000,
        merged: 1,
        clock: ClockQuality::Synchronised,
        inferences: 60,
        failures: 0,
        inputs,
        outputs: OutputStatistics::Uncounted,
        latency: LatencyHistogram::default(),
        labels: LabelStatistics::default(),
    }
}
