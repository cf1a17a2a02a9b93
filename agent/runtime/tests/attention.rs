//! Attention in pieces is attention as a whole, and what does not fit is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::Model;
use support::graph::{Graph, float, graph, int, text};
use tract_onnx::pb::AttributeProto;
use tract_onnx::pb::tensor_proto::DataType::{Bool, Float, Int64};

/// Numbers between -1 and 1 that look like no pattern.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 7919 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0).collect()
}

fn floats(name: &str, shape: &[usize], data: Vec<f32>) -> Tensor {
    Tensor { name: name.into(), shape: shape.to_vec(), data: TensorData::Fp32(data) }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    match &tensor.data {
        TensorData::Fp32(values) => values.clone(),
        other => panic!("{:?}", other.datatype()),
    }
}

fn assert_near(found: &[f32], expected: &[f32]) {
    let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(near && found.len() == expected.len(), "{found:?} instead of {expected:?}");
}

/// Softmax(Q·Kᵀ/√size)·V of one head, where query `i` sees the first `seen(i)` keys.
fn expected(q: &[f32], k: &[f32], v: &[f32], size: usize, seen: impl Fn(usize) -> usize) -> Vec<f32> {
    let of_query = |(index, q): (usize, &[f32])| {
        let score = |k: &[f32]| q.iter().zip(k).map(|(q, k)| q * k).sum::<f32>() / (size as f32).sqrt();
        let weights: Vec<f32> = k.chunks(size).take(seen(index)).map(|k| score(k).exp()).collect();
        let sum: f32 = weights.iter().sum();
        let value =
            |at| weights.iter().enumerate().map(|(key, weight)| weight * v[key * size + at]).sum::<f32>();
        (0..size).map(|at| value(at) / sum).collect::<Vec<f32>>()
    };
    q.chunks(size).enumerate().flat_map(of_query).collect()
}

#[test]
fn one_plan_serves_every_length() {
    let shape = ["batch", "1", "length", "4"];
    let onnx = Graph::new(24)
        .named_input("q", Float, &shape)
        .named_input("k", Float, &shape)
        .named_input("v", Float, &shape)
        .node("Attention", &["q", "k", "v"], &["y"], &[int("is_causal", 1)])
        .onnx(&["y"]);
    let model = Model::load(&onnx, None).unwrap();
    assert!(!model.is_planned_late());
    for (batch, length) in [(1, 1), (1, 5), (3, 2)] {
        let count = batch * length * 4;
        let data: Vec<Vec<f32>> = (1..4).map(|seed| numbers(count, seed)).collect();
        let inputs = ["q", "k", "v"].iter().zip(&data);
        let inputs: Vec<Tensor> =
            inputs.map(|(name, data)| floats(name, &[batch, 1, length, 4], data.clone())).collect();
        let found = values(&model.run(&inputs).unwrap()[0]);
        let each = length * 4;
        let expected = (0..batch).flat_map(|index| {
            let [q, k, v] = [0, 1, 2].map(|which| &data[which][index * each..][..each]);
            expected(q, k, v, 4, |query| query + 1)
        });
        assert_near(&found, &expected.collect::<Vec<f32>>());
    }
}

#[test]
fn token_after_token_gives_what_all_at_once_gives() {
    let (q, k, v) = (numbers(6 * 8, 1), numbers(6 * 4, 2), numbers(6 * 4, 3));
    let heads = [int("q_num_heads", 2), int("kv_num_heads", 1), int("is_causal", 1)];
    let attention = |past: &str, inputs: &[&str]| {
        Graph::new(24)
            .named_input("q", Float, &["1", "length", "8"])
            .named_input("k", Float, &["1", "length", "4"])
            .named_input("v", Float, &["1", "length", "4"])
            .named_input("past_k", Float, &["1", "1", past, "4"])
            .named_input("past_v", Float, &["1", "1", past, "4"])
            .node("Attention", inputs, &["y", "present_k", "present_v"], &heads)
            .onnx(&["y", "present_k", "present_v"])
    };
    let given = |from: usize, to: usize| {
        vec![
            floats("q", &[1, to - from, 8], q[from * 8..to * 8].to_vec()),
            floats("k", &[1, to - from, 4], k[from * 4..to * 4].to_vec()),
            floats("v", &[1, to - from, 4], v[from * 4..to * 4].to_vec()),
        ]
    };
    let first = Graph::new(24)
        .named_input("q", Float, &["1", "length", "8"])
        .named_input("k", Float, &["1", "length", "4"])
        .named_input("v", Float, &["1", "length", "4"])
        .node("Attention", &["q", "k", "v"], &["y", "present_k", "present_v"], &heads)
        .onnx(&["y", "present_k", "present_v"]);
    let first = Model::load(&first, None).unwrap();
    let next = Model::load(&attention("past", &["q", "k", "v", "", "past_k", "past_v"]), None).unwrap();
    let whole = values(&first.run(&given(0, 6)).unwrap()[0]);
    let mut outputs = first.run(&given(0, 2)).unwrap();
    let mut found = values(&outputs[0]);
    for token in 2..6 {
        let mut inputs = given(token, token + 1);
        inputs.push(Tensor { name: "past_k".into(), ..outputs[1].clone() });
        inputs.push(Tensor { name: "past_v".into(), ..outputs[2].clone() });
        outputs = next.run(&inputs).unwrap();
        found.extend(values(&outputs[0]));
    }
    assert_near(&found, &whole);
    assert_eq!(outputs[1].shape, [1, 1, 6, 4]);
    assert_eq!(values(&outputs[1]), k);
}

#[test]
fn attention_that_makes_no_sense_is_refused() {
    let refused =
        |opset: i64, shape: &[i64], inputs: &[&str], attributes: &[AttributeProto], reason: &str| {
            let onnx = Graph::new(opset)
                .input("q", Float, shape)
                .node("Attention", inputs, &["y"], attributes)
                .onnx(&["y"]);
            let error = Model::load(&onnx, None).unwrap_err().to_string();
            assert!(error.contains(reason), "{error} instead of {reason}");
        };
    let four = [1, 2, 3, 4];
    let same = ["q", "q", "q"];
    let heads = |queries, keys| [int("q_num_heads", queries), int("kv_num_heads", keys)];
    refused(24, &[1, 3, 8], &same, &[], "needs the number of heads");
    refused(24, &[1, 3, 8], &same, &heads(0, 1), "q_num_heads is 0");
    refused(24, &[1, 3, 8], &same, &heads(i64::MIN, 1), "q_num_heads is");
    refused(24, &[1, 3, 8], &same, &heads(3, 1), "3 heads cannot share a width of 8");
    refused(24, &[1, 3, 8], &same, &heads(2, 4), "2 query heads for 4 key heads");
    refused(24, &[3, 8], &same, &heads(2, 2), "a tensor of 2 dimensions");
    refused(24, &four, &same, &[float("softcap", -1.0)], "a soft cap of -1");
    refused(24, &four, &same, &[float("scale", f32::NAN)], "a scale of");
    refused(24, &four, &same, &[int("qk_matmul_output_mode", 4)], "qk_matmul_output_mode 4 is unknown");
    refused(24, &four, &same, &[int("softmax_precision", 7)], "softmax_precision");
    refused(25, &four, &same, &[int("left_window_size", -2)], "left_window_size is -2");
    refused(24, &four, &["q", "q", "q", "", "q"], &[], "go together");
    refused(24, &four, &["q", "q", "q", "", "q", "q", "q"], &[], "exclude each other");
    refused(23, &four, &["q", "q", "q", "", "", "", "q"], &[], "Attention of 7 inputs");
}

#[test]
fn a_mask_or_counts_of_another_shape_are_refused_when_they_come() {
    let onnx = Graph::new(24)
        .input("q", Float, &[2, 1, 3, 4])
        .named_input("mask", Bool, &["rows", "keys"])
        .named_input("counts", Int64, &["count"])
        .node("Attention", &["q", "q", "q", "mask", "", "", "counts"], &["y"], &[])
        .onnx(&["y"]);
    let model = Model::load(&onnx, None).unwrap();
    let run = |mask: [usize; 2], counts: &[i64]| {
        let seen = TensorData::Bool(vec![true; mask[0] * mask[1]]);
        let inputs = [
            floats("q", &[2, 1, 3, 4], numbers(24, 1)),
            Tensor { name: "mask".into(), shape: mask.to_vec(), data: seen },
            Tensor {
                name: "counts".into(),
                shape: vec![counts.len()],
                data: TensorData::Int64(counts.to_vec()),
            },
        ];
        model.run(&inputs).map(|outputs| values(&outputs[0])).map_err(|error| error.to_string())
    };
    assert!(run([3, 4], &[3, 3]).unwrap_err().contains("a mask of shape [3, 4]"));
    assert!(run([2, 3], &[3, 3]).unwrap_err().contains("a mask of shape [2, 3]"));
    assert!(run([1, 3], &[3, 3, 3]).unwrap_err().contains("not one number of keys"));
    // A sequence without keys, and one of more than there are.
    let found = run([1, 3], &[i64::MIN, i64::MAX]).unwrap();
    assert_eq!(found[..12], [0.0; 12]);
    assert!(found[12..].iter().all(|x| x.is_finite() && *x != 0.0));
    // Keys behind the end of a mask are hidden.
    assert_eq!(run([1, 1], &[3, 3]).unwrap()[..4], numbers(24, 1)[..4]);
}

#[test]
fn graphs_inside_of_flex_attention_see_values_around_them() {
    let flex = |modifier: Graph, outputs: &[&str]| {
        Graph::new(26)
            .input("q", Float, &[1, 1, 2, 4])
            .floats("far", &[], &[0.0])
            .node(
                "ai.onnx.preview.FlexAttention",
                &["q", "q", "q"],
                &["y"],
                &[graph("score_mod", modifier.inner(outputs))],
            )
            .onnx(&["y"])
    };
    let scores = || Graph::new(26).input("scores", Float, &[1, 1, 2, 2]);
    let flat = flex(scores().node("Mul", &["scores", "far"], &["flat"], &[]), &["flat"]);
    let q = numbers(8, 1);
    let found = Model::load(&flat, None).unwrap().run(&[floats("q", &[1, 1, 2, 4], q.clone())]).unwrap();
    let mean: Vec<f32> = (0..8).map(|index| (q[index % 4] + q[index % 4 + 4]) / 2.0).collect();
    assert_near(&values(&found[0]), &mean);
    let two = scores().input("more", Float, &[]).node("Mul", &["scores", "more"], &["flat"], &[]);
    let error = Model::load(&flex(two, &["flat"]), None).unwrap_err().to_string();
    assert!(error.contains("its graphs take one and give one"), "{error}");
    let none = scores().node("Mul", &["scores", "far"], &["flat"], &[]);
    assert!(Model::load(&flex(none, &[]), None).is_err());
}

#[test]
fn states_carry_on_where_a_sequence_is_cut() {
    let attributes = [int("q_num_heads", 2), int("kv_num_heads", 1), text("update_rule", "gated_delta")];
    let linear = Graph::new(27)
        .named_input("q", Float, &["1", "length", "4"])
        .named_input("k", Float, &["1", "length", "2"])
        .named_input("v", Float, &["1", "length", "3"])
        .named_input("past", Float, &["1", "1", "2", "3"])
        .named_input("decay", Float, &["1", "length", "1"])
        .named_input("beta", Float, &["1", "length", "1"])
        .node("LinearAttention", &["q", "k", "v", "past", "decay", "beta"], &["y", "state"], &attributes)
        .onnx(&["y", "state"]);
    let conv = Graph::new(27)
        .named_input("x", Float, &["1", "2", "length"])
        .named_input("past", Float, &["1", "2", "2"])
        .floats("filter", &[2, 1, 3], &numbers(6, 1))
        .node(
            "CausalConvWithState",
            &["x", "filter", "", "past"],
            &["y", "state"],
            &[text("activation", "silu")],
        )
        .onnx(&["y", "state"]);
    let (linear, conv) = (Model::load(&linear, None).unwrap(), Model::load(&conv, None).unwrap());
    let rows = [("q", 4), ("k", 2), ("v", 3), ("decay", 1), ("beta", 1)];
    let attend = |from: usize, to: usize, past: Vec<f32>| {
        let cut = |(name, width): &(&str, usize)| {
            floats(
                name,
                &[1, to - from, *width],
                numbers(5 * width, *width)[from * width..to * width].to_vec(),
            )
        };
        let past = floats("past", &[1, 1, 2, 3], past);
        let outputs = linear.run(&rows.iter().map(cut).chain([past]).collect::<Vec<_>>()).unwrap();
        (values(&outputs[0]), values(&outputs[1]))
    };
    let (whole, end) = attend(0, 5, vec![0.0; 6]);
    let (mut found, state) = attend(0, 2, vec![0.0; 6]);
    let (rest, last) = attend(2, 5, state);
    found.extend(rest);
    assert_near(&found, &whole);
    assert_near(&last, &end);

    let filter = |x: [&[f32]; 2], past: Vec<f32>| {
        let inputs = [floats("x", &[1, 2, x[0].len()], x.concat()), floats("past", &[1, 2, 2], past)];
        let outputs = conv.run(&inputs).unwrap();
        (values(&outputs[0]), values(&outputs[1]))
    };
    let (a, b) = (numbers(5, 2), numbers(5, 3));
    let (whole, end) = filter([&a, &b], vec![0.0; 4]);
    let (first, state) = filter([&a[..1], &b[..1]], vec![0.0; 4]);
    let (rest, last) = filter([&a[1..], &b[1..]], state);
    assert_near(&[&first[..1], &rest[..4], &first[1..], &rest[4..]].concat(), &whole);
    assert_eq!(last, end);
}

#[test]
fn a_cache_is_written_inside_of_its_bounds_only() {
    let scatter = |mode: &str| {
        Graph::new(24)
            .input("cache", Float, &[1, 3, 1])
            .input("update", Float, &[1, 2, 1])
            .input("at", Int64, &[1])
            .node("TensorScatter", &["cache", "update", "at"], &["y"], &[text("mode", mode)])
            .onnx(&["y"])
    };
    let run = |mode: &str, at: i64| {
        let inputs = [
            floats("cache", &[1, 3, 1], vec![0.0; 3]),
            floats("update", &[1, 2, 1], vec![1.0, 2.0]),
            Tensor { name: "at".into(), shape: vec![1], data: TensorData::Int64(vec![at]) },
        ];
        let model = Model::load(&scatter(mode), None).unwrap();
        model.run(&inputs).map(|outputs| values(&outputs[0])).map_err(|error| error.to_string())
    };
    assert_eq!(run("linear", 1).unwrap(), [0.0, 1.0, 2.0]);
    for at in [2, -1, i64::MIN, i64::MAX] {
        assert!(run("linear", at).unwrap_err().contains("2 entries at"));
    }
    assert_eq!(run("circular", 2).unwrap(), [2.0, 0.0, 1.0]);
    assert_eq!(run("circular", -1).unwrap(), [2.0, 0.0, 1.0]);
    assert_eq!(run("circular", i64::MAX).unwrap(), run("circular", i64::MAX % 3).unwrap());
}

#[test]
fn the_largest_of_infinities_is_one() {
    let onnx = |operator: &str| {
        Graph::new(18)
            .input("x", Float, &[-1, 2])
            .ints("axes", &[1], &[1])
            .node(operator, &["x", "axes"], &["y"], &[int("keepdims", 0)])
            .onnx(&["y"])
    };
    for (operator, end) in [("ReduceMax", f32::NEG_INFINITY), ("ReduceMin", f32::INFINITY)] {
        let x = vec![end, end, 1.0, end, f32::NAN, 1.0, 1.0, f32::NAN];
        let found = Model::load(&onnx(operator), None).unwrap().run(&[floats("x", &[4, 2], x)]).unwrap();
        let found = values(&found[0]);
        assert_eq!(found[..2], [end, 1.0], "{operator}");
        assert!(found[2..].iter().all(|x| x.is_nan()), "{operator}: {found:?}");
    }
}

#[test]
fn a_pad_that_cannot_be_is_refused() {
    let refused = |pads: &[i64], axes: &[i64], reason: &str| {
        let onnx = Graph::new(18)
            .input("x", Float, &[2, 3])
            .ints("pads", &[pads.len() as i64], pads)
            .ints("axes", &[axes.len() as i64], axes)
            .node("Pad", &["x", "pads", "", "axes"], &["y"], &[])
            .onnx(&["y"]);
        let error = Model::load(&onnx, None).unwrap_err().to_string();
        assert!(error.contains(reason), "{error} instead of {reason}");
    };
    refused(&[0, -1], &[1], "cut with Slice");
    refused(&[0, 1], &[2], "axis 2 of 2 dimensions");
    refused(&[0, 1], &[i64::MIN], "of 2 dimensions");
    refused(&[0, 1, 1], &[1], "3 amounts for 1 axes");
}
