//! Windows per second into the database: batches of 1,000 of 1.4 kB, durable.

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dunlin_server::storage::{
    Store,
    windows::{self, NewWindow},
};

const BATCH: i64 = 1000;

fn bench(c: &mut Criterion) {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("store.db")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut minute = 0;
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(BATCH.unsigned_abs()));
    group.bench_function("windows_per_second", |b| {
        b.iter(|| {
            minute += 1;
            let rows: Vec<NewWindow> = (1..=BATCH)
                .map(|device| NewWindow {
                    device,
                    boot: 1,
                    sequence: minute as u64,
                    model: "rain-1.0.0".into(),
                    start_ms: minute * 60_000,
                    received_ms: minute * 60_000,
                    body: vec![7; 1400],
                })
                .collect();
            runtime
                .block_on(
                    store.write(move |tx| rows.iter().try_for_each(|row| windows::put(tx, row).map(drop))),
                )
                .unwrap();
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
