//! Recurrent nodes give what ONNX Runtime gives, in every direction and for any number of rows, or are refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::{LoadError, Model, inspect};
use support::graph::{Graph, float, int, text, texts};
use tract_onnx::pb::AttributeProto;
use tract_onnx::pb::tensor_proto::DataType;

const TIMES: usize = 4;
const HIDDEN: i64 = 2;

/// Numbers that the script which asked ONNX Runtime made in the same way.
fn numbers(seed: usize, count: i64) -> Vec<f32> {
    (0..count as usize).map(|k| (((k * 37 + seed) % 101) as f32 - 50.0) / 60.0).collect()
}

/// A graph of one recurrent node over [time, batch, 2] with outputs `y` and `h`.
fn onnx(operator: &str, directions: i64, batch: i64, attributes: &[AttributeProto]) -> Vec<u8> {
    let gates = match operator {
        "LSTM" => 4,
        "GRU" => 3,
        _ => 1,
    };
    let rows = gates * HIDDEN;
    let attributes: Vec<AttributeProto> =
        attributes.iter().cloned().chain([int("hidden_size", HIDDEN)]).collect();
    Graph::new(17)
        .input("x", DataType::Float, &[TIMES as i64, batch, 2])
        .floats("w", &[directions, rows, 2], &numbers(5, directions * rows * 2))
        .floats("r", &[directions, rows, HIDDEN], &numbers(7, directions * rows * HIDDEN))
        .floats("b", &[directions, 2 * rows], &numbers(11, directions * 2 * rows))
        .node(operator, &["x", "w", "r", "b"], &["y", "h"], &attributes)
        .onnx(&["y", "h"])
}

fn run(model: &Model, x: Vec<f32>) -> [Vec<f32>; 2] {
    let shape = vec![TIMES, x.len() / (TIMES * 2), 2];
    let outputs = model.run(&[Tensor { name: "x".into(), shape, data: TensorData::Fp32(x) }]).unwrap();
    let [y, h] = outputs.try_into().unwrap_or_else(|_| panic!("not two outputs"));
    [y, h].map(|output| match output.data {
        TensorData::Fp32(values) => values,
        other => panic!("{:?}", other.datatype()),
    })
}

#[test]
fn every_direction_gives_what_onnx_runtime_gave() {
    // Y, by time, direction, row and hidden unit; of ONNX Runtime 1.32.
    type Case<'a> = (&'a str, Vec<AttributeProto>, &'a [f64]);
    let reverse = || text("direction", "reverse");
    let both = || text("direction", "bidirectional");
    let cases: [Case; 8] = [
        (
            "LSTM",
            vec![reverse()],
            &[
                -0.1863, 0.1566, -0.2059, 0.1183, -0.1238, 0.0937, -0.1929, 0.1505, -0.1106, 0.0411, -0.162,
                0.0795, -0.0696, 0.0544, -0.1169, 0.0742,
            ],
        ),
        (
            "GRU",
            vec![reverse()],
            &[
                0.0329, 0.0002, 0.6445, 0.2354, 0.1922, -0.0138, 0.0898, 0.0658, 0.7521, 0.0695, 0.6112,
                0.156, 0.2611, -0.1239, 0.0786, -0.0471,
            ],
        ),
        (
            "GRU",
            vec![reverse(), int("linear_before_reset", 1)],
            &[
                -0.1538, 0.2403, 0.5116, 0.4637, 0.0277, 0.2168, -0.0733, 0.2873, 0.6524, 0.2866, 0.4625,
                0.3553, 0.116, 0.0665, -0.0809, 0.1316,
            ],
        ),
        (
            "GRU",
            vec![reverse(), texts("activations", &["sigmoid", "relu"]), int("linear_before_reset", 1)],
            &[
                0.0504, 0.2731, 0.6416, 0.5948, 0.1317, 0.2718, 0.141, 0.3384, 0.8491, 0.3736, 0.5659,
                0.4643, 0.117, 0.0669, 0.0, 0.1347,
            ],
        ),
        (
            "RNN",
            vec![reverse()],
            &[
                0.4785, -0.2377, -0.4964, 0.6418, 0.1518, -0.8678, 0.4317, -0.8686, -0.4728, 0.3695, -0.3744,
                0.5497, -0.0458, -0.6987, 0.3379, -0.6749,
            ],
        ),
        (
            "RNN",
            vec![both(), texts("activations", &["Relu", "Relu"])],
            &[
                0.5431, 0.0, 0.0, 0.0606, 0.5564, 1.292, 0.451, 0.8216, 0.0, 0.0, 0.2426, 0.0, 0.8607,
                1.1953, 0.6548, 1.429, 0.0, 0.0272, 0.0, 0.1975, 0.4868, 0.8938, 0.2368, 1.0669, 0.0, 0.0,
                0.3319, 0.0, 0.1378, 1.1986, 0.0, 1.2961,
            ],
        ),
        (
            "LSTM",
            vec![both()],
            &[
                -0.1411, 0.0834, -0.0837, 0.0224, -0.4051, 0.0679, -0.4722, 0.0335, -0.1408, 0.1053, -0.1491,
                0.095, -0.4838, -0.0053, -0.4539, 0.0654, -0.1569, 0.0743, -0.1806, 0.0931, -0.4694, -0.0146,
                -0.4445, 0.0236, -0.158, 0.1322, -0.2114, 0.1693, -0.3709, 0.0014, -0.3482, 0.0295,
            ],
        ),
        (
            "GRU",
            vec![both(), int("linear_before_reset", 1)],
            &[
                -0.1541, 0.1604, 0.523, 0.2487, 0.4548, -0.142, 0.2066, -0.4274, 0.1697, 0.0768, -0.0722,
                0.2538, 0.3733, -0.3874, 0.3692, -0.1456, 0.6576, 0.2911, 0.466, 0.4429, 0.2018, -0.4762,
                0.1898, -0.272, -0.0131, 0.2361, -0.1097, 0.3339, 0.2401, -0.0832, 0.2557, 0.0626,
            ],
        ),
    ];
    for (operator, attributes, expected) in cases {
        let directions = expected.len() / (TIMES * 4);
        // The state at the end: of the last time forwards, of the first backwards.
        let (first, last) =
            (&expected[(directions - 1) * 4..directions * 4], &expected[expected.len() - 8..]);
        let ends = if directions == 1 { first.to_vec() } else { [&last[..4], first].concat() };
        for batch in [2, -1] {
            let model = Model::load(&onnx(operator, directions as i64, batch, &attributes), None)
                .unwrap_or_else(|error| panic!("{operator}, batch {batch}: {error}"));
            let [y, h] = run(&model, numbers(3, TIMES as i64 * 4));
            for (found, expected) in [(y, expected), (h, &ends)] {
                let near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 1e-4;
                let equal = found.len() == expected.len() && found.iter().zip(expected).all(near);
                assert!(equal, "{operator} {attributes:?}, batch {batch}: {found:?}");
            }
        }
    }
}

#[test]
fn a_free_batch_takes_any_number_of_rows() {
    for operator in ["LSTM", "GRU", "RNN"] {
        let model = Model::load(&onnx(operator, 1, -1, &[]), None).unwrap();
        let [whole, _] = run(&model, numbers(3, TIMES as i64 * 6));
        for row in 0..3 {
            let pick = |values: &[f32]| -> Vec<f32> {
                values.chunks_exact(6).flat_map(|time| time[row * 2..row * 2 + 2].to_vec()).collect()
            };
            let [single, _] = run(&model, pick(&numbers(3, TIMES as i64 * 6)));
            let near = single.iter().zip(pick(&whole)).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(near, "{operator}, row {row}");
        }
    }
}

#[test]
fn what_a_cell_cannot_do_is_refused_with_node_reason_and_cure() {
    let cases = [
        ("LSTM", float("clip", 0.3), "its `clip` is not applied: train and export it without clipping"),
        ("GRU", float("clip", 0.3), "its `clip` is not applied: train and export it without clipping"),
        ("RNN", float("clip", 0.3), "its `clip` is not applied: train and export it without clipping"),
        ("LSTM", int("input_forget", 1), "export it with separate input and forget gates"),
        (
            "LSTM",
            texts("activations", &["Sigmoid", "Relu", "Tanh"]),
            "its activations are Sigmoid, Relu, Tanh: export it with Sigmoid, Tanh and Tanh",
        ),
        (
            "RNN",
            texts("activations", &["Elu"]),
            "its activations are Elu: export it with Relu, Sigmoid and Tanh",
        ),
        ("RNN", text("direction", "sideways"), "its direction `sideways` is none that ONNX knows"),
    ];
    for (operator, attribute, reason) in cases {
        let onnx = onnx(operator, 1, 2, &[attribute]);
        let error = Model::load(&onnx, None).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("operator `{operator}` (node `y`): ")), "{text}");
        assert!(text.contains(reason), "{text}");
        let LoadError::Unsupported { nodes } = error else { panic!("{text}") };
        assert_eq!(inspect(&onnx).unwrap().unsupported, nodes);
    }
}

#[test]
fn what_was_computed_from_nan_is_nan() {
    for (operator, lbr) in [("LSTM", 0), ("GRU", 0), ("GRU", 1), ("RNN", 0)] {
        for (direction, tainted) in [("forward", 2..4), ("reverse", 0..3)] {
            let mut attributes = vec![text("direction", direction)];
            attributes.extend((lbr == 1).then(|| int("linear_before_reset", 1)));
            let model = Model::load(&onnx(operator, 1, -1, &attributes), None).unwrap();
            // The second of two rows misses a value at time 2.
            let mut x = numbers(3, TIMES as i64 * 4);
            x[2 * 4 + 2] = f32::NAN;
            let [y, h] = run(&model, x);
            assert_eq!(h.iter().map(|x| x.is_nan()).collect::<Vec<_>>(), [false, false, true, true]);
            for time in 0..TIMES {
                let missing: Vec<bool> = y[time * 4..time * 4 + 4].iter().map(|x| x.is_nan()).collect();
                let second = tainted.contains(&time);
                assert_eq!(
                    missing,
                    [false, false, second, second],
                    "{operator} {direction} at {time}: {y:?}"
                );
            }
        }
    }
}
