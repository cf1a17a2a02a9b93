//! A value that is missing is NaN in the answer, and never a number that looks like one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::Model;
use support::graph::{Graph, float, graph, int, ints, text};
use tract_onnx::pb::AttributeProto;
use tract_onnx::pb::tensor_proto::DataType;

/// Wide enough that kernels work on whole vectors and on a rest.
const WIDTH: usize = 33;

/// Operators of one value each, and what else they take.
fn activations() -> Vec<(&'static str, Vec<&'static str>, Vec<AttributeProto>, i64)> {
    vec![
        ("Relu", vec![], vec![], 17),
        ("LeakyRelu", vec![], vec![float("alpha", 0.1)], 17),
        ("PRelu", vec!["half"], vec![], 17),
        ("Clip", vec!["zero", "half"], vec![], 17),
        ("Clip", vec![], vec![float("min", 0.0), float("max", 1.0)], 9),
        ("Max", vec!["zero"], vec![], 17),
        ("Min", vec!["half"], vec![], 17),
        ("Max", vec!["ramp"], vec![], 17),
        ("Min", vec!["ramp"], vec![], 17),
        ("Sigmoid", vec![], vec![], 17),
        ("Tanh", vec![], vec![], 17),
        ("HardSigmoid", vec![], vec![], 17),
        ("HardSwish", vec![], vec![], 17),
        ("Elu", vec![], vec![], 17),
        ("Selu", vec![], vec![], 17),
        ("Celu", vec![], vec![], 17),
        ("Softplus", vec![], vec![], 17),
        ("Softsign", vec![], vec![], 17),
        ("Mish", vec![], vec![], 18),
        ("Erf", vec![], vec![], 17),
        ("Gelu", vec![], vec![], 20),
        ("Gelu", vec![], vec![text("approximate", "tanh")], 20),
        ("Exp", vec![], vec![], 17),
        ("Log", vec![], vec![], 17),
        ("Sqrt", vec![], vec![], 17),
        ("Sign", vec![], vec![], 17),
    ]
}

fn model(operator: &str, more: &[&str], attributes: &[AttributeProto], opset: i64) -> Model {
    wide_model(operator, more, attributes, opset, WIDTH)
}

fn wide_model(
    operator: &str,
    more: &[&str],
    attributes: &[AttributeProto],
    opset: i64,
    width: usize,
) -> Model {
    let ramp: Vec<f32> = (0..width).map(|k| k as f32 - 16.0).collect();
    let inputs: Vec<&str> = ["x"].iter().chain(more).copied().collect();
    let onnx = Graph::new(opset)
        .input("x", DataType::Float, &[-1, width as i64])
        .floats("zero", &[], &[0.0])
        .floats("half", &[], &[0.5])
        .floats("ramp", &[width as i64], &ramp)
        .node(operator, &inputs, &["y"], attributes)
        .onnx(&["y"]);
    Model::load(&onnx, None).unwrap_or_else(|error| panic!("{operator}: {error}"))
}

fn run(model: &Model, shape: &[usize], values: &[f32]) -> Vec<f32> {
    let input = Tensor { name: "x".into(), shape: shape.to_vec(), data: TensorData::Fp32(values.to_vec()) };
    match model.run(&[input]).unwrap().remove(0).data {
        TensorData::Fp32(values) => values,
        other => panic!("{:?}", other.datatype()),
    }
}

#[test]
fn an_activation_of_nan_is_nan_there_and_nowhere_else() {
    let clean: Vec<f32> = (0..WIDTH).map(|k| (k as f32 + 0.25) / 8.0).collect();
    for (operator, more, attributes, opset) in activations() {
        let model = model(operator, &more, &attributes, opset);
        let whole = run(&model, &[1, WIDTH], &clean);
        for place in 0..WIDTH {
            let mut values = clean.clone();
            values[place] = f32::NAN;
            let found = run(&model, &[1, WIDTH], &values);
            for index in 0..WIDTH {
                let right = if index == place { found[index].is_nan() } else { found[index] == whole[index] };
                assert!(right, "{operator} {more:?}, NaN at {place}: {} at {index}", found[index]);
            }
        }
    }
}

#[test]
fn bounds_and_maxima_without_nan_are_as_before() {
    let x: Vec<f32> = (0..WIDTH).map(|k| (k as f32 - 16.0) * -0.5).collect();
    let mapped = |f: &dyn Fn(f32) -> f32| x.iter().map(|x| f(*x)).collect::<Vec<f32>>();
    let given = |name: &str, more: &[&str]| run(&model(name, more, &[], 17), &[1, WIDTH], &x);
    assert_eq!(given("Relu", &[]), mapped(&|x| x.max(0.0)));
    assert_eq!(given("Clip", &["zero", "half"]), mapped(&|x| x.clamp(0.0, 0.5)));
    assert_eq!(given("Clip", &["", "half"]), mapped(&|x| x.min(0.5)));
    assert_eq!(given("Max", &["ramp"]), mapped(&|x| x.max(-2.0 * x)));
    assert_eq!(given("Min", &["ramp", "zero"]), mapped(&|x| x.min(-2.0 * x).min(0.0)));
}

#[test]
fn a_soft_max_with_nan_is_nan_in_its_row_only() {
    // tract has one kernel for widths that four divides and one for others.
    for width in [32, WIDTH] {
        for (operator, opset) in [("Softmax", 17), ("LogSoftmax", 17), ("Softmax", 11), ("LogSoftmax", 11)] {
            let model = wide_model(operator, &[], &[], opset, width);
            for place in [0, 15, 16, width - 1] {
                let mut values: Vec<f32> = (0..2 * width).map(|k| k as f32 / 10.0).collect();
                values[place] = f32::NAN;
                let found = run(&model, &[2, width], &values);
                assert!(found[..width].iter().all(|x| x.is_nan()), "{operator} {opset}: {found:?}");
                assert!(found[width..].iter().all(|x| x.is_finite()), "{operator} {opset}: {found:?}");
            }
        }
    }
}

/// `[2, 2, 6]` with NaN as the value at `place` of the first row.
fn signal(place: usize) -> Vec<f32> {
    let mut values: Vec<f32> = (0..24).map(|k| k as f32).collect();
    values[place] = f32::NAN;
    values
}

#[test]
fn a_maximum_over_an_axis_with_nan_is_nan() {
    for operator in ["ReduceMax", "ReduceMin"] {
        let onnx = Graph::new(13)
            .input("x", DataType::Float, &[-1, 2, 6])
            .node(operator, &["x"], &["y"], &[ints("axes", &[2]), int("keepdims", 0)])
            .onnx(&["y"]);
        let model = Model::load(&onnx, None).unwrap();
        for place in 0..6 {
            let found = run(&model, &[2, 2, 6], &signal(place));
            let missing: Vec<bool> = found.iter().map(|x| x.is_nan()).collect();
            assert_eq!(missing, [true, false, false, false], "{operator}, NaN at {place}: {found:?}");
        }
    }
}

#[test]
fn a_maximum_over_a_window_with_nan_is_nan() {
    let onnx = Graph::new(13)
        .input("x", DataType::Float, &[-1, 2, 6])
        .node("MaxPool", &["x"], &["y"], &[ints("kernel_shape", &[2]), ints("strides", &[2])])
        .onnx(&["y"]);
    let model = Model::load(&onnx, None).unwrap();
    for place in 0..6 {
        let found = run(&model, &[2, 2, 6], &signal(place));
        let missing: Vec<usize> = (0..found.len()).filter(|index| found[*index].is_nan()).collect();
        assert_eq!(missing, [place / 2], "NaN at {place}: {found:?}");
        assert_eq!(found[3..], [7.0, 9.0, 11.0, 13.0, 15.0, 17.0, 19.0, 21.0, 23.0]);
    }
}

#[test]
fn graphs_inside_a_graph_keep_nan_too() {
    let branch = |operator| Graph::new(17).node(operator, &["x"], &["b"], &[]).inner(&["b"]);
    let onnx = Graph::new(17)
        .input("x", DataType::Float, &[1, 2])
        .node("ReduceSum", &["x"], &["s"], &[int("keepdims", 0)])
        .node("Cast", &["s"], &["c"], &[int("to", DataType::Bool as i64)])
        .node(
            "If",
            &["c"],
            &["y"],
            &[graph("then_branch", branch("Sigmoid")), graph("else_branch", branch("Relu"))],
        )
        .onnx(&["y"]);
    let model = Model::load(&onnx, None).unwrap();
    assert!(run(&model, &[1, 2], &[f32::NAN, 1.0])[0].is_nan());
}

#[test]
fn a_network_with_a_failed_sensor_answers_nan() {
    for (activation, hidden) in [("Relu", 4), ("Relu", 33), ("Sigmoid", 16), ("Tanh", 33), ("LeakyRelu", 16)]
    {
        let weights = |count: i64| (0..count).map(|k| (k % 7) as f32 - 3.0).collect::<Vec<f32>>();
        let onnx = Graph::new(17)
            .input("x", DataType::Float, &[-1, 4])
            .floats("w", &[4, hidden], &weights(4 * hidden))
            .floats("b", &[hidden], &weights(hidden))
            .floats("w2", &[hidden, 1], &weights(hidden))
            .node("Gemm", &["x", "w", "b"], &["h"], &[])
            .node(activation, &["h"], &["a"], &[])
            .node("Gemm", &["a", "w2"], &["z"], &[])
            .node("Sigmoid", &["z"], &["y"], &[])
            .onnx(&["y"]);
        let model = Model::load(&onnx, None).unwrap();
        let found = run(&model, &[2, 4], &[1.0, f32::NAN, 2.0, 3.0, 1.0, 0.5, 2.0, 3.0]);
        assert!(found[0].is_nan() && found[1].is_finite(), "{activation} {hidden}: {found:?}");
    }
}
