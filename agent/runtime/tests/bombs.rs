//! Small files that ask for much: each is refused in words, in little memory and time, while another model answers.
//!
//! One test, alone in its program: what it reads of the program's memory is of its own bombs. `DUNLIN_BOMBS=1` prints what
//! each took.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dunlin_runtime::Model;
use dunlin_runtime::trial::{Trial, try_once};
use prost::Message;
use support::example;
use support::graph::{Graph, floats, graph, int, ints, texts};
use tract_onnx::pb::tensor_proto::DataType::{Bool, Float, Int64};
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto};

/// Most memory that one of them may take, in kilobytes.
const MEMORY_KB: u64 = 32 << 10;
const MANY: i64 = 1 << 40;

fn start() -> Graph {
    Graph::new(13).input("x", Float, &[1, 4])
}

/// A node of this operator on the input.
fn node(operator: &str, attributes: &[tract_onnx::pb::AttributeProto]) -> Vec<u8> {
    start().node(operator, &["x"], &["y"], attributes).onnx(&["y"])
}

/// A graph with a change that no builder makes.
fn changed(change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let onnx = start().floats("w", &[4], &[1.0; 4]).node("Add", &["x", "w"], &["y"], &[]).onnx(&["y"]);
    let mut model = ModelProto::decode(&onnx[..]).unwrap();
    change(model.graph.as_mut().unwrap());
    model.encode_to_vec()
}

fn weights(dims: &[i64], change: impl FnOnce(&mut TensorProto)) -> Vec<u8> {
    changed(|graph| {
        let tensor = &mut graph.initializer[0];
        tensor.dims = dims.to_vec();
        change(tensor);
    })
}

/// Constants of `length` numbers, one after the other, all of which the graph needs.
fn constants(count: usize, length: i64) -> Vec<u8> {
    let mut graph = start().ints("s", &[1], &[length]).floats("first", &[], &[0.0]);
    let mut before = "first".to_owned();
    for index in 0..count {
        let (big, top, sum) = (format!("big{index}"), format!("top{index}"), format!("sum{index}"));
        graph = graph
            .node("ConstantOfShape", &["s"], &[&big], &[])
            .node("ReduceMax", &[&big], &[&top], &[int("keepdims", 0)])
            .node("Add", &[&before, &top], &[&sum], &[]);
        before = sum;
    }
    graph.node("Add", &["x", &before], &["y"], &[]).onnx(&["y"])
}

/// A constant that each node makes twice as long.
fn doubling(times: usize) -> Vec<u8> {
    let mut graph = start().floats("c0", &[1], &[1.0]);
    for index in 0..times {
        let (one, two) = (format!("c{index}"), format!("c{}", index + 1));
        graph = graph.node("Concat", &[&one, &one], &[&two], &[int("axis", 0)]);
    }
    let last = format!("c{times}");
    graph
        .node("ReduceMean", &[&last], &["mean"], &[int("keepdims", 0)])
        .node("Add", &["x", "mean"], &["y"], &[])
        .onnx(&["y"])
}

fn nested(depth: usize) -> Vec<u8> {
    let zero = || Graph::new(13).floats("zero", &[], &[0.0]).node("Identity", &["zero"], &["none"], &[]);
    let mut inner = zero().inner(&["none"]);
    for _ in 0..depth {
        let branches = [graph("then_branch", inner), graph("else_branch", zero().inner(&["none"]))];
        inner = zero().node("If", &["flag"], &["deep"], &branches).inner(&["deep"]);
    }
    let branches = [graph("then_branch", inner), graph("else_branch", zero().inner(&["none"]))];
    start()
        .node("ReduceMax", &["x"], &["top"], &[int("keepdims", 0)])
        .node("Cast", &["top"], &["flag"], &[int("to", 9)])
        .node("If", &["flag"], &["y"], &branches)
        .onnx(&["y"])
}

fn trees(nodes: &[i64], next: &[i64], targets: i64) -> Vec<u8> {
    let leafless = vec!["BRANCH_LEQ"; nodes.len()];
    let zeros = vec![0; nodes.len()];
    node(
        "ai.onnx.ml.TreeEnsembleRegressor",
        &[
            ints("nodes_treeids", &zeros),
            ints("nodes_nodeids", nodes),
            ints("nodes_featureids", &zeros),
            texts("nodes_modes", &leafless),
            floats("nodes_values", &vec![0.0; nodes.len()]),
            ints("nodes_truenodeids", next),
            ints("nodes_falsenodeids", next),
            ints("target_treeids", &[0]),
            ints("target_nodeids", &[0]),
            ints("target_ids", &[0]),
            floats("target_weights", &[1.0]),
            int("n_targets", targets),
        ],
    )
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let one = || start().floats("one", &[1, 1], &[1.0]);
    let added = |graph: Graph| graph.node("Add", &["x", "big"], &["y"], &[]).onnx(&["y"]);
    let many_nodes = changed(|graph| {
        let first = graph.node[0].clone();
        graph.node.extend((0..200_000).map(|_| first.clone()));
    });
    let mut many_inputs = start();
    for index in 0..3000 {
        many_inputs = many_inputs.input(&format!("i{index}"), Float, &[1, 4]);
    }
    vec![
        ("a shape whose product overflows", weights(&[1 << 40, 1 << 40], |_| {})),
        ("a shape that nothing fills", weights(&[1 << 27], |tensor| tensor.float_data.clear())),
        ("a negative length", weights(&[-4], |_| {})),
        ("more dimensions than any tensor has", weights(&[1; 4096], |_| {})),
        ("weights in a file elsewhere", weights(&[4], |tensor| tensor.data_location = Some(1))),
        ("an element type that is none", weights(&[4], |tensor| tensor.data_type = 999)),
        (
            "a constant of terabytes",
            added(start().ints("s", &[1], &[MANY]).node("ConstantOfShape", &["s"], &["big"], &[])),
        ),
        ("a hundred constants of 16 MB", constants(100, 4 << 20)),
        ("one constant of 400 MB", constants(1, 100 << 20)),
        ("a constant doubled fifty times", doubling(50)),
        ("a constant doubled twenty-eight times", doubling(28)),
        (
            "a stretch to terabytes",
            added(one().ints("s", &[2], &[MANY, 4]).node("Expand", &["one", "s"], &["big"], &[])),
        ),
        (
            "a tile of terabytes",
            added(one().ints("s", &[2], &[MANY, 4]).node("Tile", &["one", "s"], &["big"], &[])),
        ),
        (
            "a pad of terabytes",
            added(one().ints("s", &[4], &[0, MANY, 0, 0]).node("Pad", &["one", "s"], &["big"], &[])),
        ),
        (
            "an endless range",
            added(start().floats("a", &[], &[0.0]).floats("b", &[], &[1.0]).floats("c", &[], &[0.0]).node(
                "Range",
                &["a", "b", "c"],
                &["big"],
                &[],
            )),
        ),
        (
            "one of as many as there are numbers",
            start()
                .ints("i", &[1], &[0])
                .ints("d", &[], &[MANY])
                .floats("v", &[2], &[0.0, 1.0])
                .node("OneHot", &["i", "d", "v"], &["big"], &[])
                .node("ReduceMax", &["big"], &["top"], &[int("keepdims", 0)])
                .node("Add", &["x", "top"], &["y"], &[])
                .onnx(&["y"]),
        ),
        ("graphs in graphs in graphs", nested(60)),
        ("two hundred thousand nodes", many_nodes),
        ("a million nodes of nothing", changed(|graph| graph.node.resize(1_000_000, Default::default()))),
        (
            "a million attributes of nothing",
            changed(|graph| graph.node[0].attribute.resize(1_000_000, Default::default())),
        ),
        ("a loop of a trillion rounds", {
            let body = Graph::new(13)
                .input("round", Int64, &[])
                .input("before", Bool, &[])
                .input("sum", Float, &[1, 4])
                .node("Identity", &["before"], &["after"], &[])
                .node("Add", &["sum", "sum"], &["more"], &[])
                .inner(&["after", "more"]);
            start()
                .ints("n", &[], &[MANY])
                .node("Loop", &["n", "", "x"], &["y"], &[graph("body", body)])
                .onnx(&["y"])
        }),
        ("a node that reads itself", start().node("Add", &["x", "y"], &["y"], &[]).onnx(&["y"])),
        (
            "nodes in a ring",
            start().node("Add", &["x", "b"], &["a"], &[]).node("Relu", &["a"], &["b"], &[]).onnx(&["b"]),
        ),
        ("trees that never end", trees(&[0, 1], &[1, 0], 1)),
        ("trees that point outside", trees(&[0, 1], &[1, i64::MAX], 1)),
        ("trees that claim to be twins", trees(&[0, 0], &[0, 0], 1)),
        ("trees of countless targets", trees(&[0], &[0], MANY)),
        ("blocks of no size", {
            Graph::new(13)
                .input("x", Float, &[1, 4, 2, 2])
                .node("DepthToSpace", &["x"], &["y"], &[int("blocksize", 0)])
                .onnx(&["y"])
        }),
        (
            "a window without steps",
            Graph::new(13)
                .input("x", Float, &[1, 1, 4, 4])
                .node("MaxPool", &["x"], &["y"], &[ints("kernel_shape", &[2, 2]), ints("strides", &[0, 0])])
                .onnx(&["y"]),
        ),
        (
            "a window as large as the world",
            Graph::new(13)
                .input("x", Float, &[1, 1, 4, 4])
                .node(
                    "AveragePool",
                    &["x"],
                    &["y"],
                    &[ints("kernel_shape", &[MANY, MANY]), ints("pads", &[MANY, MANY, MANY, MANY])],
                )
                .onnx(&["y"]),
        ),
        ("an axis far away", node("Softmax", &[int("axis", i64::MIN)])),
        ("an axis far away, and one more", node("Flatten", &[int("axis", i64::MAX)])),
        ("an order of axes that is none", node("Transpose", &[ints("perm", &[9, i64::MIN])])),
        ("a type that is none", node("Cast", &[int("to", 4242)])),
        (
            "a slice without steps",
            start()
                .ints("a", &[1], &[0])
                .ints("b", &[1], &[4])
                .ints("c", &[1], &[1])
                .ints("d", &[1], &[0])
                .node("Slice", &["x", "a", "b", "c", "d"], &["y"], &[])
                .onnx(&["y"]),
        ),
        ("a choice outside", {
            start()
                .ints("i", &[1], &[MANY])
                .node("Gather", &["x", "i"], &["y"], &[int("axis", 1)])
                .onnx(&["y"])
        }),
        ("the best of all", {
            start().ints("k", &[1], &[MANY]).node("TopK", &["x", "k"], &["y", "i"], &[]).onnx(&["y", "i"])
        }),
        ("inputs that nothing reads", many_inputs.node("Missing", &["x"], &["y"], &[]).onnx(&["y"])),
        (
            "indices that claim to be a shape",
            Graph::new(13)
                .input("x", Int64, &[1, 4])
                .ints("s", &[2], &[i64::MAX, i64::MAX])
                .node("Reshape", &["x", "s"], &["y"], &[])
                .onnx(&["y"]),
        ),
    ]
}

/// A line of what Linux tells of this program, in kilobytes; 0 where it does not.
fn memory_kb(line: &str) -> u64 {
    let told = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = told.lines().find_map(|found| found.strip_prefix(line));
    found.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn bombs_are_refused_in_little_memory_while_another_model_answers() {
    let good = example("bc_logreg");
    let model = Model::load(&good.onnx, None).unwrap();
    let expected = model.run(&good.inputs).unwrap();
    let bombs = bombs();
    assert!(bombs.len() >= 15);
    let (done, mut failures) = (AtomicBool::new(false), Vec::new());
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let mut answers = 0_u64;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(model.run(&good.inputs).unwrap(), expected);
                answers += 1;
            }
            answers
        });
        let mut high = memory_kb("VmHWM:");
        for (name, onnx) in &bombs {
            let (begun, before) = (Instant::now(), memory_kb("VmRSS:"));
            let refused = match Model::load(onnx, None) {
                Err(error) => error.to_string(),
                Ok(model) => match try_once(&model) {
                    Trial::Failed { reason } | Trial::Unclear { reason } => reason,
                    Trial::Ran | Trial::TooLarge => String::new(),
                },
            };
            let now = memory_kb("VmHWM:");
            let more = if now > high { now.saturating_sub(before) } else { 0 };
            high = high.max(now);
            if std::env::var_os("DUNLIN_BOMBS").is_some() {
                let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
                println!("{milliseconds:7.1} ms {more:6} kB  {name}: {refused}");
            }
            if refused.is_empty() || refused.len() > 10_000 {
                failures.push(format!("{name}: {refused:.1000}"));
            }
            // Elsewhere the tests run on an emulator, whose memory it would be.
            if more > MEMORY_KB && cfg!(target_arch = "x86_64") {
                failures.push(format!("{name} took {more} kB"));
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(answering.join().unwrap() > 0);
    });
    assert!(failures.is_empty(), "{failures:#?}");
}
