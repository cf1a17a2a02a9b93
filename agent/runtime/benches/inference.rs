//! What a call costs beyond the bare engine, and what one value costs to count.
//! Budget: statistics and bookkeeping for 16 features within 3 µs of the bare call.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dunlin_protocol::statistics::{Bins, FeatureReference, NumericRecorder, Reference};
use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::{Model, statistics::Observer};
use tract_onnx::pb;
use tract_onnx::prelude::{IntoTValue, tvec};

const FEATURES: usize = 16;

/// A logistic regression of 16 features, as an exporter writes it.
fn logistic_regression() -> Vec<u8> {
    use pb::attribute_proto::AttributeType as T;
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    use prost::Message;
    let attribute = |name: &str, kind: T| pb::AttributeProto {
        name: name.into(),
        r#type: kind as i32,
        ..Default::default()
    };
    let value = |name: &str, dims: &[Option<i64>], elem_type: i32| pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor {
                elem_type,
                shape: Some(pb::TensorShapeProto {
                    dim: dims
                        .iter()
                        .map(|dim| Dimension { value: dim.map(Value::DimValue), ..Default::default() })
                        .collect(),
                }),
            })),
            ..Default::default()
        }),
        ..Default::default()
    };
    let weights: Vec<f32> = (0..2 * FEATURES).map(|k| (k as f32 - 15.5) / 20.0).collect();
    let node = pb::NodeProto {
        op_type: "LinearClassifier".into(),
        domain: "ai.onnx.ml".into(),
        name: "classifier".into(),
        input: vec!["X".into()],
        output: vec!["label".into(), "probabilities".into()],
        attribute: vec![
            pb::AttributeProto { floats: weights, ..attribute("coefficients", T::Floats) },
            pb::AttributeProto { floats: vec![-0.1, 0.1], ..attribute("intercepts", T::Floats) },
            pb::AttributeProto { ints: vec![0, 1], ..attribute("classlabels_ints", T::Ints) },
            pb::AttributeProto { s: b"LOGISTIC".to_vec(), ..attribute("post_transform", T::String) },
        ],
        ..Default::default()
    };
    let graph = pb::GraphProto {
        name: "bench".into(),
        node: vec![node],
        input: vec![value("X", &[None, Some(FEATURES as i64)], 1)],
        output: vec![value("label", &[None], 7), value("probabilities", &[None, Some(2)], 1)],
        ..Default::default()
    };
    let ml = pb::OperatorSetIdProto { domain: "ai.onnx.ml".into(), version: 1 };
    pb::ModelProto { ir_version: 8, opset_import: vec![ml], graph: Some(graph), ..Default::default() }
        .encode_to_vec()
}

fn values(seed: usize) -> Vec<f32> {
    (0..FEATURES).map(|k| ((seed * 31 + k * 17) % 101) as f32 / 50.0 - 1.0).collect()
}

fn bins() -> Bins {
    let training: Vec<f32> = (0..2000).map(|k| (k * 7919 % 2000) as f32 / 1000.0 - 1.0).collect();
    Bins::from_values(&training).unwrap()
}

fn inference(criterion: &mut Criterion) {
    let model = Model::load(&logistic_regression(), None).unwrap();
    let bins = bins();
    let feature = FeatureReference::Numeric {
        statistics: NumericRecorder::new(bins.clone()).take(),
        bins,
        spread: Vec::new(),
    };
    let reference = Reference { rows: 2000, features: vec![feature; FEATURES], outputs: None };
    let mut observer = Observer::new(model.spec(), Some(&reference));
    let inputs: Vec<Vec<Tensor>> = (0..64)
        .map(|k| {
            vec![Tensor { name: "X".into(), shape: vec![1, FEATURES], data: TensorData::Fp32(values(k)) }]
        })
        .collect();

    let mut group = criterion.benchmark_group("inference");
    let mut turn = 0;
    group.bench_function("bare", |bencher| {
        bencher.iter(|| {
            turn = (turn + 1) % 64;
            let TensorData::Fp32(row) = &inputs[turn][0].data else { panic!("not floats") };
            let row = tract_onnx::prelude::Tensor::from_shape(&[1, FEATURES], row).unwrap();
            black_box(model.plan().unwrap().run(tvec!(row.into_tvalue())).unwrap())
        });
    });
    group.bench_function("with_statistics", |bencher| {
        bencher.iter(|| {
            turn = (turn + 1) % 64;
            let outputs = model.run(&inputs[turn]).unwrap();
            observer.observe(&inputs[turn], &outputs, 12.0);
            black_box(outputs)
        });
    });
    group.finish();
}

fn statistics(criterion: &mut Criterion) {
    let mut recorder = NumericRecorder::new(bins());
    let row = values(3);
    let mut group = criterion.benchmark_group("statistics");
    group.throughput(Throughput::Elements(1));
    let mut turn = 0;
    group.bench_function("value", |bencher| {
        bencher.iter(|| {
            turn = (turn + 1) % FEATURES;
            recorder.observe(black_box(row[turn]));
        });
    });
    group.finish();
}

criterion_group!(benches, inference, statistics);
criterion_main!(benches);
