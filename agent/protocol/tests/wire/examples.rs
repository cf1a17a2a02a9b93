//! One of each message, with every optional field filled in once and left out once, and a small bundle.

use std::fmt::Debug;

use dunlin_protocol::{
    Message, MessageError,
    bundle::{Bundle, Golden, Manifest},
    cbor,
    message::*,
    spec::{FeatureSpec, InputSpec, ModelSpec, OutputRole, OutputSpec, Task},
    statistics::*,
    tensor::{Datatype, Tensor, TensorData},
    update::{Reason, UpdateReport, UpdateState},
};
use serde::{Deserialize, Serialize};

/// The outermost map of every message, as another implementation would write it.
#[derive(Serialize, Deserialize)]
pub struct Envelope<T> {
    pub v: u16,
    pub body: T,
}

/// A message of any channel, reduced to bytes and what can be done with bytes.
pub struct Example {
    /// Name of its golden file.
    pub name: &'static str,
    /// As this crate writes it.
    pub bytes: Vec<u8>,
    /// As serde_cbor writes it.
    pub by_serde_cbor: Vec<u8>,
    /// Reads bytes of the same channel and writes them again.
    pub rewrite: fn(&[u8]) -> Result<Vec<u8>, MessageError>,
    /// Reads bytes with serde_cbor and writes them with this crate.
    pub through_serde_cbor: fn(&[u8]) -> Vec<u8>,
}

fn example<M: Message + PartialEq + Debug>(name: &'static str, message: M) -> Example {
    let bytes = message.encode().unwrap();
    assert_eq!(M::decode(&bytes).unwrap(), message);
    Example {
        name,
        bytes,
        by_serde_cbor: serde_cbor::to_vec(&Envelope { v: 1, body: &message }).unwrap(),
        rewrite: |bytes| M::decode(bytes)?.encode(),
        through_serde_cbor: |bytes| {
            let read: Envelope<M> = serde_cbor::from_slice(bytes).unwrap();
            cbor::to_vec(&read).unwrap()
        },
    }
}

/// Every example.
pub fn all() -> Vec<Example> {
    vec![
        example("state-online", state()),
        example("state-will", will()),
        example("desired", desired()),
        example("window-classes", window()),
        example("window-numbers", numbers()),
        example("event", event()),
        example("sample", sample()),
        example(
            "command",
            Command { name: "report".into(), arguments: [("model".into(), "rain".into())].into() },
        ),
        example(
            "reply",
            Reply { ok: true, message: "The window was closed.".into(), values: Default::default() },
        ),
    ]
}

fn record(sequence: u64) -> RecordId {
    RecordId { boot: (1 << 52) + 17, sequence }
}

fn update(state: UpdateState) -> UpdateReport {
    UpdateReport {
        generation: 7,
        rollout: Some("rollout-3".into()),
        model: "rain-1.4.0".parse().unwrap(),
        state,
        since_ms: 1_790_000_000_123,
        bytes: Some([4096, 65_536]),
    }
}

fn state() -> State {
    State {
        online: true,
        boot: record(0).boot,
        agent: "0.1.0".into(),
        at_ms: 1_790_000_000_000,
        clock: ClockQuality::Synchronised,
        generation: 7,
        serving: vec![Serving {
            model: "rain-1.3.0".parse().unwrap(),
            since_ms: 1_789_000_000_000,
            compared: true,
            fallback: Some("rain-1.2.0".parse().unwrap()),
        }],
        updates: vec![
            update(UpdateState::Downloading),
            UpdateReport {
                rollout: None,
                bytes: None,
                ..update(UpdateState::Failed(Reason::new("golden", "label[3] is 1, expected 0")))
            },
        ],
        spool: Some(SpoolReport { records: 312, bytes: 1_153_433, limit_bytes: 67_108_864, dropped: 0 }),
        system: Some(SystemReport {
            cpu: 0.25,
            memory_used_bytes: 500_000_000,
            memory_total_bytes: 1_000_000_000,
            agent_bytes: 12_000_000,
            disk_free_bytes: 9_000_000_000,
            temperature_c: Some(51.5),
            uptime_seconds: 86_400,
            architecture: "aarch64".into(),
            system: "Debian 12".into(),
        }),
        modes: vec!["simulated".into()],
    }
}

fn will() -> State {
    State {
        online: false,
        at_ms: 0,
        clock: ClockQuality::Unknown,
        serving: vec![],
        updates: vec![],
        spool: None,
        system: None,
        modes: vec![],
        ..state()
    }
}

fn desired() -> Desired {
    let model: dunlin_protocol::ModelRef = "rain-1.4.0".parse().unwrap();
    Desired {
        generation: 8,
        at_ms: 1_790_000_000_500,
        models: vec![
            DesiredModel { target: model.target(), rollout: Some("rollout-3".into()), again: true },
            DesiredModel {
                target: "auto/wind-0.2.0-rc.1.dunlin".parse().unwrap(),
                rollout: None,
                again: false,
            },
        ],
    }
}

/// Values in steps of an eighth, so that every sum is exact on every machine.
fn bins() -> Bins {
    let values: Vec<f32> = (-8..8).map(|k| k as f32 / 8.0).collect();
    Bins::from_values(&values).unwrap()
}

fn column() -> NumericStatistics {
    let mut recorder = NumericRecorder::new(bins());
    for value in [0.5, 0.5, 0.5, -0.25, f32::NAN, 0.125, f32::INFINITY, -3.0, 7.5] {
        recorder.observe(value);
    }
    recorder.take()
}

fn window() -> Window {
    let mut texts = CategoryRecorder::new(vec!["north".into(), "south".into()]);
    ["north", "north", "south", "west", ""].into_iter().for_each(|text| texts.observe(text));
    let mut answers = OutputRecorder::classes(2);
    answers.observe_class(Some(1), &[0.0, 1.0]);
    answers.observe_class(Some(0), &[1.0, 0.0]);
    answers.observe_class(None, &[]);
    let mut latency = LatencyHistogram::default();
    [0.5, 12.0, 300.0].into_iter().for_each(|microseconds| latency.observe(microseconds));
    Window {
        record: record(41),
        model: "rain-1.4.0".parse().unwrap(),
        start_ms: 1_790_000_040_000,
        duration_ms: 60_000,
        merged: 1,
        clock: ClockQuality::Wrong,
        inferences: 9,
        failures: 1,
        inputs: vec![FeatureStatistics::Numeric(column()), FeatureStatistics::Category(texts.take())],
        outputs: answers.take(),
        latency,
        labels: LabelStatistics { count: 5, errors: 2, squared_error: 0.0 },
    }
}

fn numbers() -> Window {
    let labels = LabelStatistics { count: 4, errors: 0, squared_error: 1.375 };
    Window { merged: 60, inputs: vec![], outputs: OutputStatistics::Numbers(column()), labels, ..window() }
}

fn event() -> Event {
    Event {
        record: record(42),
        at_ms: 1_790_000_060_000,
        code: "update".into(),
        severity: Severity::Warning,
        message: "rain-1.4.0 was taken back: 3 of 20 answers failed".into(),
        update: Some(update(UpdateState::RolledBack(Reason::new("failures", "3 of 20 answers failed")))),
    }
}

fn tensor(name: &str, shape: Vec<usize>, data: TensorData) -> Tensor {
    Tensor { name: name.into(), shape, data }
}

fn sample() -> Sample {
    Sample {
        record: record(43),
        at_ms: 1_790_000_061_000,
        inference: "7f3a".into(),
        model: "rain-1.4.0".parse().unwrap(),
        why: "uncertain".into(),
        inputs: vec![
            tensor("f32", vec![1, 3], TensorData::Fp32(vec![0.1, f32::MAX, -0.0])),
            tensor("f64", vec![1, 2], TensorData::Fp64(vec![0.1, 0.5])),
            tensor("bool", vec![1, 2], TensorData::Bool(vec![true, false])),
            tensor("u8", vec![4], TensorData::Uint8(vec![0, 1, 254, 255])),
            tensor("i8", vec![2], TensorData::Int8(vec![-128, 127])),
            tensor("i32", vec![2], TensorData::Int32(vec![i32::MIN, i32::MAX])),
            tensor("i64", vec![2], TensorData::Int64(vec![i64::MIN, i64::MAX])),
        ],
        outputs: vec![tensor("label", vec![1], TensorData::Bytes(vec!["Regen, stark – 雨".into()]))],
        label: Some("dry".into()),
    }
}

/// A bundle with every member.
pub fn bundle() -> Bundle {
    let shape = vec![None, Some(1)];
    let spec = ModelSpec {
        task: Task::Regression,
        inputs: vec![InputSpec {
            name: "x".into(),
            datatype: Datatype::Fp32,
            shape: shape.clone(),
            features: vec![FeatureSpec {
                unit: Some("hPa".into()),
                range: Some([850.0, 1090.0]),
                ..FeatureSpec::named("pressure")
            }],
        }],
        outputs: vec![OutputSpec {
            name: "y".into(),
            datatype: Datatype::Fp32,
            shape,
            role: OutputRole::Value,
        }],
        labels: vec![],
        thresholds: Default::default(),
        target: Some("rain_mm".into()),
    };
    let batch = |name| tensor(name, vec![2, 1], TensorData::Fp32(vec![1.0, 2.5]));
    Bundle {
        manifest: Manifest::new("rain-1.4.0".parse().unwrap(), spec),
        model: b"the bytes of an ONNX file".to_vec(),
        reference: Some(Reference {
            rows: 9,
            features: vec![FeatureReference::Numeric {
                bins: bins(),
                statistics: column(),
                spread: vec![Spread { rows: 200, psi_95: 0.125, psi_max: 0.25 }],
            }],
            outputs: Some(OutputReference {
                statistics: OutputStatistics::Numbers(column()),
                bins: Some(bins()),
            }),
        }),
        golden: Some(Golden {
            origin: "onnxruntime 1.22".into(),
            inputs: vec![batch("x")],
            outputs: vec![batch("y")],
            tolerance: 1e-5,
        }),
        card: "# Rain\n".into(),
        sbom: "{}\n".into(),
    }
}
