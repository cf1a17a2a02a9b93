//! Operators whose shapes come from values, loops that are unrolled, and tensors without elements: what the ONNX
//! project's node tests do not try.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::{LoadError, Model, RunError};
use support::graph::{Graph, graph, int, ints, text, texts};
use tract_onnx::pb::tensor_proto::DataType;

const MANY: i64 = 600_000_000;

fn start(shape: &[i64]) -> Graph {
    Graph::new(20).input("x", DataType::Float, shape)
}

fn input(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let data = TensorData::Fp32((0..count).map(|x| x as f32).collect());
    Tensor { name: "x".into(), shape: shape.to_vec(), data }
}

fn assert_large(graph: Graph) {
    let error = Model::load(&graph.onnx(&["y"]), None).unwrap_err();
    assert!(matches!(error, LoadError::LargeTensor { .. }), "{error}");
}

fn assert_fails(graph: Graph, input: Tensor, words: &str) {
    let failed = match Model::load(&graph.onnx(&["y"]), None) {
        Err(error) => error.to_string(),
        Ok(model) => model.run(&[input]).unwrap_err().to_string(),
    };
    assert!(failed.contains(words), "{failed}");
    assert!(!failed.contains("gave up"), "{failed}");
}

#[test]
fn shapes_that_values_ask_for_are_bounded() {
    let fixed = || start(&[1, 1, 2, 2]).ints("s", &[4], &[1, 1, MANY, 1]);
    assert_large(fixed().node("CenterCropPad", &["x", "s"], &["y"], &[]));
    let map = Graph::new(20).input("m", DataType::Float, &[1, 2, 3]).ints("s", &[4], &[1, 1, MANY, 9]);
    assert_large(map.node("AffineGrid", &["m", "s"], &["y"], &[]));
    let places = fixed().input("i", DataType::Int64, &[1, 1, 2, 2]);
    assert_large(places.node("MaxUnpool", &["x", "i", "s"], &["y"], &[ints("kernel_shape", &[1, 1])]));
    let pads = start(&[2]).ints("p", &[2], &[MANY, 0]);
    assert_large(pads.node("Pad", &["x", "p"], &["y"], &[text("mode", "wrap")]));
    let list = start(&[1]).ints("a", &[1], &[0]).ints("b", &[1], &[MANY]).ints("c", &[1], &[1]);
    assert_large(list.node("Range", &["a", "b", "c"], &["y"], &[]));
    let grams = [
        text("mode", "TF"),
        ints("pool_int64s", &[1]),
        ints("ngram_counts", &[0]),
        ints("ngram_indexes", &[MANY]),
        int("min_gram_length", 1),
        int("max_gram_length", 1),
        int("max_skip_count", 0),
    ];
    assert_large(Graph::new(20).input("t", DataType::Int64, &[2]).node(
        "TfIdfVectorizer",
        &["t"],
        &["y"],
        &grams,
    ));
}

#[test]
fn attributes_that_no_window_has_are_refused() {
    let pool = |attributes: &[_]| start(&[1, 1, 4, 4]).node("LpPool", &["x"], &["y"], attributes);
    let kernel = ints("kernel_shape", &[2, 2]);
    assert_fails(pool(&[ints("kernel_shape", &[i64::MAX, 2])]), input(&[1, 1, 4, 4]), "in `kernel_shape`");
    assert_fails(pool(&[ints("kernel_shape", &[0, 2])]), input(&[1, 1, 4, 4]), "a window of");
    assert_fails(pool(&[ints("kernel_shape", &[2])]), input(&[1, 1, 4, 4]), "a window of 1 axes over 2");
    assert_fails(pool(&[kernel.clone(), ints("strides", &[0, 1])]), input(&[1, 1, 4, 4]), "strides");
    assert_fails(pool(&[kernel.clone(), ints("pads", &[-1, 0, 0, 0])]), input(&[1, 1, 4, 4]), "pads");
    assert_fails(pool(&[kernel, int("p", 0)]), input(&[1, 1, 4, 4]), "p is 0");
}

#[test]
fn places_and_lengths_that_are_not_there_are_refused() {
    let unpool = start(&[1, 1, 1, 1]).ints("i", &[1, 1, 1, 1], &[9]);
    let unpool = unpool.node("MaxUnpool", &["x", "i"], &["y"], &[ints("kernel_shape", &[2, 2])]);
    assert_fails(unpool, input(&[1, 1, 1, 1]), "place 9 of 4");
    let reversed = start(&[3, 1]).ints("l", &[1], &[4]).node("ReverseSequence", &["x", "l"], &["y"], &[]);
    assert_fails(reversed, input(&[3, 1]), "lengths [4]");
    let product = start(&[3]).ints("a", &[], &[1]).node("CumProd", &["x", "a"], &["y"], &[]);
    assert_fails(product, input(&[3]), "axis 1 of 1");
    let regions = start(&[1, 1, 2, 2]).floats("r", &[1, 4], &[0.0, 0.0, 1e9, 1e9]).ints("b", &[1], &[0]);
    let regions = regions.node("RoiAlign", &["x", "r", "b"], &["y"], &[]);
    assert_fails(regions, input(&[1, 1, 2, 2]), "too large");
}

#[test]
fn words_that_would_be_too_many_are_refused() {
    let split = Graph::new(20).input("x", DataType::String, &[-1]);
    let model = Model::load(&split.node("StringSplit", &["x"], &["y", "n"], &[]).onnx(&["y"]), None).unwrap();
    let mut data = vec![String::new(); 5000];
    data[0] = "a ".repeat(1000);
    let error = model.run(&[Tensor { name: "x".into(), shape: vec![5000], data: TensorData::Bytes(data) }]);
    assert!(error.unwrap_err().to_string().contains("5000 texts of up to 1000 parts"));
}

#[test]
fn stop_words_are_left_out_whatever_their_letters() {
    let words = Graph::new(20).input("x", DataType::String, &[-1]);
    let words = words.node("StringNormalizer", &["x"], &["y"], &[texts("stopwords", &["Und"])]).onnx(&["y"]);
    let data = TensorData::Bytes(["Sturm", "UND", "Drang"].map(String::from).to_vec());
    let found = Model::load(&words, None).unwrap().run(&[Tensor { name: "x".into(), shape: vec![3], data }]);
    assert_eq!(found.unwrap()[0].data, TensorData::Bytes(["Sturm", "Drang"].map(String::from).to_vec()));
}

/// Doubles `x` as often as `count` says, and gives each step.
fn doubling(count: i64, opset: i64) -> Graph {
    let body = Graph::new(opset)
        .input("round", DataType::Int64, &[])
        .input("goes_on", DataType::Bool, &[])
        .input("value", DataType::Float, &[2])
        .node("Add", &["value", "value"], &["twice"], &[])
        .node("Identity", &["goes_on"], &["still"], &[])
        .inner(&["still", "twice", "twice"]);
    Graph::new(opset).input("x", DataType::Float, &[2]).ints("count", &[], &[count]).node(
        "Loop",
        &["count", "", "x"],
        &["last", "y"],
        &[graph("body", body)],
    )
}

#[test]
fn a_loop_of_known_length_runs() {
    for opset in [11, 13] {
        let model = Model::load(&doubling(3, opset).onnx(&["last", "y"]), None).unwrap();
        let found = model.run(&[input(&[2])]).unwrap();
        assert_eq!(found[0].data, TensorData::Fp32(vec![0.0, 8.0]), "opset {opset}");
        assert_eq!(found[1].shape, [3, 2], "opset {opset}");
        assert_eq!(found[1].data, TensorData::Fp32(vec![0.0, 2.0, 0.0, 4.0, 0.0, 8.0]), "opset {opset}");
    }
}

#[test]
fn a_loop_without_end_is_refused() {
    for count in [i64::MAX, 1 << 20] {
        assert_fails(doubling(count, 13), input(&[2]), "too often");
    }
}

/// Sums over one axis of three.
fn sum(axis: i64) -> Model {
    let graph = start(&[-1, -1, -1]).ints("a", &[1], &[axis]);
    let graph = graph.node("ReduceSum", &["x", "a"], &["y"], &[int("keepdims", 0)]);
    Model::load(&graph.onnx(&["y"]), None).unwrap()
}

#[test]
fn a_batch_without_rows_is_refused_and_an_empty_axis_is_not() {
    let model = sum(1);
    assert!(matches!(model.run(&[input(&[0, 1, 2])]), Err(RunError::Shape { .. })));
    assert_eq!(model.run(&[input(&[1, 0, 2])]).unwrap()[0].data, TensorData::Fp32(vec![0.0, 0.0]));
}

#[test]
fn the_engine_gives_up_on_an_empty_input_once_at_most() {
    let model = sum(2);
    let first = model.run(&[input(&[1, 2, 0])]).unwrap_err().to_string();
    assert!(first.contains("gave up"), "{first}");
    assert!(matches!(model.run(&[input(&[1, 2, 0])]), Err(RunError::Shape { .. })));
    assert_eq!(model.run(&[input(&[1, 1, 2])]).unwrap()[0].data, TensorData::Fp32(vec![1.0]));
}

#[test]
fn a_recurrent_node_with_its_batch_first_takes_any_batch() {
    let cell = Graph::new(20)
        .input("x", DataType::Float, &[-1, 3, 1])
        .floats("w", &[1, 1, 1], &[1.0])
        .floats("r", &[1, 1, 1], &[0.0])
        .node("RNN", &["x", "w", "r"], &["y"], &[int("hidden_size", 1), int("layout", 1)]);
    let model = Model::load(&cell.onnx(&["y"]), None).unwrap();
    let found = model.run(&[input(&[2, 3, 1])]).unwrap();
    assert_eq!(found[0].shape, [2, 3, 1, 1]);
    let last = found[0].data.number(5).unwrap();
    assert!((last - 5_f64.tanh()).abs() < 1e-5, "{last}");
}
