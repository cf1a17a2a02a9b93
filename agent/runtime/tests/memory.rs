//! A small file cannot ask for much memory, and what fails in every run is told before the first.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_runtime::trial::{Trial, try_once};
use dunlin_runtime::{LoadError, Model};
use support::graph::{Graph, graph, int, ints, text};
use tract_onnx::pb::tensor_proto::DataType::{Float, Int64};

fn start() -> Graph {
    Graph::new(13).input("X", Float, &[-1, 1])
}

/// The graph with the mean of `big` added to its input.
fn ended(graph: Graph) -> Vec<u8> {
    graph
        .node("Cast", &["big"], &["real"], &[int("to", 1)])
        .node("ReduceMean", &["real"], &["mean"], &[int("keepdims", 0)])
        .node("Add", &["X", "mean"], &["y"], &[])
        .onnx(&["y"])
}

fn assert_refused(graph: Graph) {
    let error = Model::load(&ended(graph), None).unwrap_err();
    assert!(matches!(&error, LoadError::LargeTensor { node, .. } if node == "big"), "{error}");
    assert!(error.to_string().contains("smaller constant shapes"));
}

const MANY: i64 = 600_000_000;

#[test]
fn constant_shapes_are_bounded() {
    let one = || start().floats("one", &[1, 1], &[1.0]);
    assert_refused(start().ints("s", &[2], &[2, MANY]).node("ConstantOfShape", &["s"], &["big"], &[]));
    assert_refused(one().ints("s", &[2], &[2, MANY]).node("Expand", &["one", "s"], &["big"], &[]));
    assert_refused(one().ints("s", &[2], &[2, MANY]).node("Tile", &["one", "s"], &["big"], &[]));
    assert_refused(one().ints("s", &[4], &[0, MANY, 0, MANY]).node("Pad", &["one", "s"], &["big"], &[]));
    let range = start().ints("a", &[], &[0]).ints("b", &[], &[MANY]).ints("c", &[], &[1]);
    assert_refused(range.node("Range", &["a", "b", "c"], &["big"], &[]));
    let hot = start().ints("i", &[2], &[0, 1]).ints("d", &[], &[MANY]).floats("v", &[2], &[0.0, 1.0]);
    assert_refused(hot.node("OneHot", &["i", "d", "v"], &["big"], &[]));
    let resize = start().floats("one", &[1, 1, 1, 1], &[1.0]).ints("s", &[4], &[1, 1, 40_000, 40_000]);
    let nearest = [text("mode", "nearest"), text("coordinate_transformation_mode", "asymmetric")];
    assert_refused(resize.node("Resize", &["one", "", "", "s"], &["big"], &nearest));
}

#[test]
fn a_length_that_the_graph_computes_is_bounded_too() {
    let graph = start().ints("a", &[1], &[30_000]).node("Mul", &["a", "a"], &["length"], &[]).node(
        "ConstantOfShape",
        &["length"],
        &["big"],
        &[],
    );
    assert_refused(graph);
}

#[test]
fn a_graph_inside_a_node_is_bounded_too() {
    let shape = Graph::new(13).ints("s", &[2], &[2, MANY]);
    let big = shape.node("ConstantOfShape", &["s"], &["big"], &[]);
    let mean = big.node("ReduceMean", &["big"], &["mean"], &[int("keepdims", 0)]).inner(&["mean"]);
    let none = Graph::new(13).floats("zero", &[], &[0.0]).node("Identity", &["zero"], &["none"], &[]);
    let branches = [graph("then_branch", mean), graph("else_branch", none.inner(&["none"]))];
    let onnx = start()
        .node("ReduceMax", &["X"], &["top"], &[int("keepdims", 0)])
        .node("Cast", &["top"], &["whether"], &[int("to", 9)])
        .node("If", &["whether"], &["mean"], &branches)
        .node("Add", &["X", "mean"], &["y"], &[])
        .onnx(&["y"]);
    let error = Model::load(&onnx, None).unwrap_err();
    assert!(matches!(&error, LoadError::LargeTensor { node, .. } if node == "big"), "{error}");
}

#[test]
fn what_the_input_is_stretched_to_is_bounded() {
    let onnx = start().ints("s", &[2], &[1, MANY]).node("Expand", &["X", "s"], &["big"], &[]).onnx(&["big"]);
    assert!(matches!(Model::load(&onnx, None), Err(LoadError::LargeTensor { .. })));
}

#[test]
fn constants_of_a_common_size_still_load() {
    let onnx = ended(start().ints("s", &[2], &[2, 1000]).node("ConstantOfShape", &["s"], &["big"], &[]));
    assert_eq!(try_once(&Model::load(&onnx, None).unwrap()), Trial::Ran);
}

#[test]
fn what_fails_in_every_run_fails_on_made_up_input() {
    let onnx = Graph::new(13)
        .input("X", Int64, &[-1, 2])
        .ints("two", &[1], &[2])
        .node("Pow", &["X", "two"], &["y"], &[])
        .onnx(&["y"]);
    let model = Model::load(&onnx, None).unwrap();
    let Trial::Failed { reason } = try_once(&model) else { panic!("it ran") };
    assert!(reason.contains("I64"), "{reason}");
}

#[test]
fn a_window_longer_than_one_step_is_tried_with_more() {
    let onnx = Graph::new(13)
        .input("X", Float, &[-1, 1, -1])
        .floats("w", &[1, 1, 5], &[0.2; 5])
        .node("Conv", &["X", "w"], &["y"], &[ints("kernel_shape", &[5])])
        .onnx(&["y"]);
    assert_eq!(try_once(&Model::load(&onnx, None).unwrap()), Trial::Ran);
}
