//! What one call costs: `latency MODEL.onnx [ROWS.json]`, asked over standard input.
//!
//! For each line that comes, as many calls as it says, of the first row of ROWS.json (tensors of the Open Inference
//! Protocol) or of made-up input, and a line with the microseconds of each call on the average. `scripts/bench-runtime`
//! asks this program and ONNX Runtime in turn.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, stdin};
use std::path::Path;
use std::time::Instant;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::Model;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let model = Model::load(&std::fs::read(&words[0]).unwrap(), None).unwrap();
    let inputs = match words.get(1) {
        Some(_) => support::row(&support::read(Path::new(&words[0])).inputs, 0),
        None => model.spec().inputs.iter().map(|input| made_up(&input.name, &input.shape)).collect(),
    };
    for line in stdin().lock().lines() {
        let calls: u32 = line.unwrap().parse().unwrap();
        let begun = Instant::now();
        for _ in 0..calls {
            std::hint::black_box(model.run(std::hint::black_box(&inputs)).unwrap());
        }
        println!("{}", begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
    }
}

/// The same numbers as `scripts/bench-runtime` gives ONNX Runtime.
fn made_up(name: &str, shape: &[Option<usize>]) -> Tensor {
    let shape: Vec<usize> = shape.iter().map(|dim| dim.unwrap_or(1)).collect();
    let count: usize = shape.iter().product();
    let data = (0..count).map(|index| (index % 101) as f32 / 50.0 - 1.0).collect();
    Tensor { name: name.to_owned(), shape, data: TensorData::Fp32(data) }
}
