//! What a small network costs, one row at a time and in batches.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../tests/support/graph.rs"]
mod graph;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::Model;
use graph::Graph;
use tract_onnx::pb::tensor_proto::DataType;

/// 16 features, two hidden layers of 64 and 32, three answers: 3,300 weights.
fn network(activation: &str) -> Vec<u8> {
    let weights = |count: i64| (0..count).map(|k| (k * 37 % 101) as f32 / 200.0 - 0.25).collect::<Vec<_>>();
    let mut graph = Graph::new(17).input("x", DataType::Float, &[-1, 16]);
    let mut from = "x".to_owned();
    for (layer, (width, next)) in [(16, 64), (64, 32), (32, 3)].into_iter().enumerate() {
        let names = ["w", "b", "h", "a"].map(|name| format!("{name}{layer}"));
        let [w, b, h, a] = &names;
        graph = graph
            .floats(w, &[width, next], &weights(width * next))
            .floats(b, &[next], &weights(next))
            .node("Gemm", &[&from, w, b], &[h], &[])
            .node(if layer == 2 { "Softmax" } else { activation }, &[h], &[a], &[]);
        from.clone_from(a);
    }
    graph.onnx(&[&from])
}

fn mlp(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mlp");
    for activation in ["Relu", "Tanh", "Sigmoid"] {
        let model = Model::load(&network(activation), None).unwrap();
        for rows in [1, 64] {
            let data = (0..rows * 16).map(|k| (k * 31 % 101) as f32 / 50.0 - 1.0).collect();
            let inputs = [Tensor { name: "x".into(), shape: vec![rows, 16], data: TensorData::Fp32(data) }];
            group.bench_function(format!("{activation}/{rows}"), |bencher| {
                bencher.iter(|| black_box(model.run(&inputs).unwrap()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, mlp);
criterion_main!(benches);
