//! Convolutions by kernels of our own, in graphs that exported models rarely are.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::Model;
use support::graph::{Graph, ints};
use tract_onnx::pb::tensor_proto::DataType;

fn run(graph: Graph, outputs: &[&str], shape: &[usize], x: &[f32]) -> Vec<Vec<f32>> {
    let model = Model::load(&graph.onnx(outputs), None).unwrap();
    let input = Tensor { name: "x".into(), shape: shape.to_vec(), data: TensorData::Fp32(x.to_vec()) };
    let outputs = model.run(&[input]).unwrap();
    outputs
        .iter()
        .map(|output| (0..output.data.len()).map(|i| output.data.number(i).unwrap() as f32).collect())
        .collect()
}

/// A picture of two by two with one channel, each point doubled into two channels, the second negative.
fn doubled() -> Graph {
    Graph::new(17).input("x", DataType::Float, &[-1, 1, 2, 2]).floats("w", &[2, 1, 1, 1], &[2.0, -2.0]).node(
        "Conv",
        &["x", "w"],
        &["c"],
        &[],
    )
}

#[test]
fn what_is_used_elsewhere_too_is_not_folded_away() {
    let graph = doubled().node("Relu", &["c"], &["r"], &[]).node("Add", &["c", "r"], &["s"], &[]);
    let found = run(graph, &["c", "s"], &[1, 1, 2, 2], &[1.0, 2.0, 3.0, -4.0]);
    assert_eq!(found[0], [2.0, 4.0, 6.0, -8.0, -2.0, -4.0, -6.0, 8.0]);
    assert_eq!(found[1], [4.0, 8.0, 12.0, -8.0, -2.0, -4.0, -6.0, 16.0]);
}

#[test]
fn a_sum_of_two_layers_is_taken_in_by_one_of_them() {
    // As where a residual network changes its width.
    let graph = doubled()
        .floats("v", &[2, 1, 1, 1], &[1.0, 3.0])
        .node("Conv", &["x", "v"], &["d"], &[])
        .node("Relu", &["d"], &["r"], &[]);
    let x = [1.0, 2.0, 3.0, -4.0];
    for (one, other) in [("c", "r"), ("r", "c"), ("c", "d")] {
        let graph = graph.clone().node("Add", &[one, other], &["s"], &[]).node("Relu", &["s"], &["y"], &[]);
        let bounded = |x: f32| if other == "d" { x } else { x.max(0.0) };
        let sum = |(c, d): (f32, f32)| x.map(|x| (c * x + bounded(d * x)).max(0.0));
        let wanted = [sum((2.0, 1.0)), sum((-2.0, 3.0))].concat();
        assert_eq!(run(graph, &["y"], &[1, 1, 2, 2], &x)[0], wanted, "{one} + {other}");
    }
}

#[test]
fn bounds_in_the_wrong_order_stay_apart() {
    let graph = doubled()
        .floats("five", &[], &[5.0])
        .floats("seven", &[], &[7.0])
        .node("Min", &["c", "five"], &["least"], &[])
        .node("Max", &["least", "seven"], &["y"], &[]);
    assert_eq!(run(graph, &["y"], &[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0])[0], [7.0; 8]);
}

#[test]
fn a_missing_point_is_missing_in_what_sees_it_alone() {
    let graph = doubled().node("Relu", &["c"], &["r"], &[]).node(
        "MaxPool",
        &["r"],
        &["y"],
        &[ints("kernel_shape", &[1, 2])],
    );
    let found = run(graph, &["y"], &[1, 1, 2, 2], &[f32::NAN, 1.0, 2.0, 3.0]);
    assert!(found[0][0].is_nan() && found[0][2].is_nan(), "{found:?}");
    assert_eq!((found[0][1], found[0][3]), (6.0, 0.0));
}

#[test]
fn batches_of_any_size_go_picture_by_picture() {
    let x: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let graph = doubled().floats("b", &[1, 2, 1, 1], &[1.0, 2.0]).node("Add", &["c", "b"], &["y"], &[]);
    let found = run(graph, &["y"], &[3, 1, 2, 2], &x);
    let wanted: Vec<f32> = x
        .chunks(4)
        .flat_map(|picture| {
            picture.iter().map(|x| 2.0 * x + 1.0).chain(picture.iter().map(|x| 2.0 - 2.0 * x))
        })
        .collect();
    assert_eq!(found[0], wanted);
}

#[test]
fn a_kernel_larger_than_the_picture_is_refused() {
    let graph = Graph::new(17)
        .input("x", DataType::Float, &[1, 1, 2, 2])
        .floats("w", &[1, 1, 3, 3], &[1.0; 9])
        .node("Conv", &["x", "w"], &["c"], &[]);
    let refused = Model::load(&graph.onnx(&["c"]), None);
    assert!(refused.is_err() || refused.unwrap().spec().outputs[0].shape.contains(&Some(0)));
}

#[test]
fn zeros_without_end_around_a_picture_are_not_laid_out() {
    let far = 1 << 30;
    let graph = Graph::new(17)
        .input("x", DataType::Float, &[1, 1, 2, 2])
        .floats("w", &[1, 1, 1, 1], &[3.0])
        .node("Conv", &["x", "w"], &["c"], &[ints("pads", &[far; 4]), ints("strides", &[far; 2])]);
    if let Ok(model) = Model::load(&graph.onnx(&["c"]), None) {
        let input =
            Tensor { name: "x".into(), shape: vec![1, 1, 2, 2], data: TensorData::Fp32(vec![1.0; 4]) };
        let outputs = model.run(&[input]).unwrap();
        assert_eq!(outputs[0].data.number(4), Some(3.0));
    }
}

#[test]
fn later_calls_give_what_the_first_gave() {
    // Large enough for answers to be written where earlier ones were read.
    let graph = Graph::new(17)
        .input("x", DataType::Float, &[-1, 1, 64, 64])
        .floats("w", &[2, 1, 1, 1], &[1.0, -1.0])
        .floats("v", &[2, 2, 1, 1], &[1.0, 2.0, 3.0, 4.0])
        .node("Conv", &["x", "w"], &["a"], &[])
        .node("Conv", &["a", "v"], &["b"], &[])
        .node("Conv", &["b", "v"], &["c"], &[])
        .node("Add", &["c", "a"], &["y"], &[]);
    let model = Model::load(&graph.onnx(&["a", "y"]), None).unwrap();
    let ask = |rows: usize, first: f32| {
        let x: Vec<f32> = (0..rows * 4096).map(|index| first + (index % 7) as f32).collect();
        let data = TensorData::Fp32(x.clone());
        let found = model.run(&[Tensor { name: "x".into(), shape: vec![rows, 1, 64, 64], data }]).unwrap();
        // b = (−x, −x), c = (−3x, −7x)
        for (output, factors) in found.iter().zip([[1.0, -1.0], [-2.0, -8.0]]) {
            let TensorData::Fp32(numbers) = &output.data else { panic!("{output:?}") };
            for (index, number) in numbers.iter().enumerate() {
                let (row, channel, point) = (index / 8192, index / 4096 % 2, index % 4096);
                assert_eq!(*number, factors[channel] * x[row * 4096 + point], "{index}");
            }
        }
        found
    };
    let kept = ask(1, 1.0);
    for (rows, first) in [(1, 5.0), (3, 2.0), (1, -4.0), (2, 0.0), (3, 9.0)] {
        ask(rows, first);
    }
    assert_eq!(kept, ask(1, 1.0), "what was given stays as it was");
    std::thread::scope(|scope| {
        for first in 0..4 {
            scope.spawn(move || (0..8).for_each(|_| drop(ask(2, first as f32))));
        }
    });
}
