//! Element types that the engine lacks: what a graph does with them, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::{LoadError, Model};
use support::graph::{Graph, graph, int, ints};
use tract_onnx::pb::tensor_proto::DataType;

const BFLOAT16: i32 = 16;
const FLOAT8E5M2: i32 = 19;
const UINT4: i32 = 21;
const INT4: i32 = 22;
const INT2: i32 = 26;

fn run(onnx: &[u8], shape: &[usize], data: TensorData) -> TensorData {
    run_all(onnx, shape, data).unwrap().remove(0).data
}

fn run_all(onnx: &[u8], shape: &[usize], data: TensorData) -> Result<Vec<Tensor>, String> {
    let model = Model::load(onnx, None).map_err(|error| error.to_string())?;
    model.run(&[Tensor { name: "x".into(), shape: shape.to_vec(), data }]).map_err(|error| error.to_string())
}

fn refusal(onnx: &[u8]) -> LoadError {
    Model::load(onnx, None).unwrap_err()
}

#[test]
fn values_of_an_input_are_rounded_or_refused() {
    let onnx = |kind| {
        Graph::new(21).numbered_input("x", kind, &[3]).node("Identity", &["x"], &["y"], &[]).onnx(&["y"])
    };
    let found = run(&onnx(BFLOAT16), &[3], TensorData::Fp32(vec![1.0, 1.003, -1e30]));
    assert_eq!(found, TensorData::Fp32(vec![1.0, 1.0, f32::from_bits(0xf14a_0000)]));
    let found = run(&onnx(INT4), &[3], TensorData::Int8(vec![-8, 0, 7]));
    assert_eq!(found, TensorData::Int8(vec![-8, 0, 7]));
    let refused = run_all(&onnx(INT4), &[3], TensorData::Int8(vec![-8, 0, 8])).unwrap_err();
    assert!(refused.contains("8 is not from -8 to 7, as int4 is"), "{refused}");
}

#[test]
fn bfloat16_is_rounded_after_each_operator() {
    let onnx = Graph::new(21)
        .numbered_input("x", BFLOAT16, &[2])
        .bytes("one", BFLOAT16, &[1], &[0x80, 0x3f])
        .node("Add", &["x", "one"], &["more"], &[])
        .node("Sub", &["more", "one"], &["y"], &[])
        .onnx(&["y"]);
    // Next to one there are 128 values up to two.
    let found = run(&onnx, &[2], TensorData::Fp32(vec![1.0 / 128.0, 1.0 / 1024.0]));
    assert_eq!(found, TensorData::Fp32(vec![1.0 / 128.0, 0.0]));
}

#[test]
fn a_length_that_is_free_may_become_bfloat16() {
    let onnx = Graph::new(21)
        .input("x", DataType::Float, &[-1, 1])
        .node("Shape", &["x"], &["lengths"], &[])
        .node("Cast", &["lengths"], &["rounded"], &[int("to", i64::from(BFLOAT16))])
        .node("Cast", &["rounded"], &["y"], &[int("to", 1)])
        .onnx(&["y"]);
    let found = run(&onnx, &[257, 1], TensorData::Fp32(vec![0.0; 257]));
    assert_eq!(found, TensorData::Fp32(vec![256.0, 1.0]));
}

#[test]
fn packed_weights_go_through_what_moves_them() {
    let onnx = Graph::new(21)
        .input("x", DataType::Float, &[1, 2])
        .bytes("w", INT4, &[3, 1], &[0x9f, 0x07])
        .floats("scale", &[], &[0.5])
        .node("Transpose", &["w"], &["turned"], &[ints("perm", &[1, 0])])
        .node("DequantizeLinear", &["turned", "scale"], &["v"], &[])
        .node("Slice", &["v", "from", "to", "axes"], &["part"], &[])
        .ints("from", &[1], &[1])
        .ints("to", &[1], &[3])
        .ints("axes", &[1], &[1])
        .node("Add", &["x", "part"], &["y"], &[])
        .onnx(&["y"]);
    let found = run(&onnx, &[1, 2], TensorData::Fp32(vec![0.0, 0.0]));
    assert_eq!(found, TensorData::Fp32(vec![-3.5, 3.5]));
}

#[test]
fn branches_see_the_types_around_them() {
    let branch = |operator: &str| Graph::new(21).node(operator, &["x"], &[operator], &[]).inner(&[operator]);
    let onnx = Graph::new(21)
        .numbered_input("x", FLOAT8E5M2, &[2])
        .input("c", DataType::Bool, &[1])
        .node(
            "If",
            &["c"],
            &["y"],
            &[graph("then_branch", branch("Identity")), graph("else_branch", branch("Flatten"))],
        )
        .node("Cast", &["y"], &["z"], &[int("to", 1)])
        .onnx(&["z"]);
    let model = Model::load(&onnx, None).unwrap();
    let inputs = [
        Tensor { name: "x".into(), shape: vec![2], data: TensorData::Fp32(vec![1.1, 1e9]) },
        Tensor { name: "c".into(), shape: vec![1], data: TensorData::Bool(vec![true]) },
    ];
    assert_eq!(model.run(&inputs).unwrap()[0].data, TensorData::Fp32(vec![1.0, 57_344.0]));
    let unlike = Graph::new(21)
        .numbered_input("x", FLOAT8E5M2, &[2])
        .input("c", DataType::Bool, &[1])
        .node(
            "If",
            &["c"],
            &["y"],
            &[graph("then_branch", branch("Identity")), graph("else_branch", branch("Shape"))],
        )
        .onnx(&["y"]);
    assert!(matches!(refusal(&unlike), LoadError::Malformed { .. }));
}

#[test]
fn a_scan_rounds_in_each_step() {
    let body = Graph::new(21)
        .numbered_input("sum", BFLOAT16, &[1])
        .numbered_input("each", BFLOAT16, &[1])
        .node("Add", &["sum", "each"], &["more"], &[])
        .inner(&["more"]);
    let onnx = Graph::new(21)
        .numbered_input("x", BFLOAT16, &[3, 1])
        .bytes("zero", BFLOAT16, &[1], &[0, 0])
        .node("Scan", &["zero", "x"], &["y"], &[graph("body", body), int("num_scan_inputs", 1)])
        .onnx(&["y"]);
    let found = run(&onnx, &[3, 1], TensorData::Fp32(vec![256.0, 1.0, 1.0]));
    assert_eq!(found, TensorData::Fp32(vec![256.0]));
}

#[test]
fn what_there_is_no_rule_for_is_refused() {
    let unary = |operator: &str, kind| {
        Graph::new(21).numbered_input("x", kind, &[2]).node(operator, &["x"], &["y"], &[]).onnx(&["y"])
    };
    for onnx in [
        unary("Relu", UINT4),
        unary("Sqrt", FLOAT8E5M2),
        unary("Binarizer", BFLOAT16),
        unary("com.microsoft.Gelu", BFLOAT16),
        Graph::new(21)
            .numbered_input("x", BFLOAT16, &[2])
            .bytes("w", INT2, &[2], &[1])
            .node("Concat", &["x", "w"], &["y"], &[int("axis", 0)])
            .onnx(&["y"]),
        Graph::new(23)
            .numbered_input("x", BFLOAT16, &[1, 2])
            .floats("scale", &[2], &[1.0, 1.0])
            .node("RMSNormalization", &["x", "scale"], &["y"], &[])
            .onnx(&["y"]),
        Graph::new(21)
            .input("x", DataType::Float, &[2])
            .node("BitCast", &["x"], &["y"], &[int("to", i64::from(BFLOAT16))])
            .onnx(&["y"]),
    ] {
        assert!(matches!(refusal(&onnx), LoadError::Unsupported { .. }), "{}", refusal(&onnx));
    }
}

#[test]
fn data_that_contradict_their_shape_are_refused() {
    let weights = |kind, shape: &[i64], bytes: &[u8]| {
        Graph::new(21)
            .input("x", DataType::Float, &[2])
            .bytes("w", kind, shape, bytes)
            .node("Cast", &["w"], &["v"], &[int("to", 1)])
            .node("Add", &["x", "v"], &["y"], &[])
            .onnx(&["y"])
    };
    assert!(Model::load(&weights(INT4, &[2], &[0x21]), None).is_ok());
    for (kind, shape, bytes) in [
        (INT4, &[2_i64][..], &[0x21_u8, 0][..]),
        (INT4, &[3], &[0x21]),
        (INT2, &[5], &[0]),
        (BFLOAT16, &[2], &[0, 0, 0]),
        (UINT4, &[-2], &[0x21]),
        (UINT4, &[i64::MAX, 2], &[0x21]),
        (UINT4, &[2], &[]),
        (27, &[1], &[0]),
        (-1, &[1], &[0]),
    ] {
        let _reason = refusal(&weights(kind, shape, bytes));
    }
    let unknown = Graph::new(21).input("x", DataType::Float, &[2]);
    for to in [0, 15, 27, -1, i64::MIN] {
        let onnx = unknown.clone().node("Cast", &["x"], &["y"], &[int("to", to)]).onnx(&["y"]);
        let _reason = refusal(&onnx);
    }
}

#[test]
fn a_graph_in_disorder_is_refused() {
    let late = Graph::new(21)
        .numbered_input("x", BFLOAT16, &[2])
        .node("Exp", &["v"], &["y"], &[])
        .node("Sqrt", &["x"], &["v"], &[])
        .onnx(&["y"]);
    let through = Graph::new(21)
        .numbered_input("x", BFLOAT16, &[2])
        .node("Sqrt", &["x"], &["v"], &[])
        .onnx(&["v", "x"]);
    for onnx in [late, through] {
        assert!(matches!(refusal(&onnx), LoadError::Malformed { .. }), "{}", refusal(&onnx));
    }
}
