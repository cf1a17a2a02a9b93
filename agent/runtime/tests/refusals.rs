//! What cannot be loaded or run is refused with the thing, the reason and the way out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::{LoadError, Model, RunError, inspect};
use proptest::prelude::*;
use support::example;

fn logreg() -> Model {
    Model::load(&example("bc_logreg").onnx, None).unwrap()
}

fn input(shape: &[usize], data: TensorData) -> Vec<Tensor> {
    vec![Tensor { name: "X".into(), shape: shape.to_vec(), data }]
}

#[test]
fn bytes_that_are_not_onnx_are_refused_with_a_way_out() {
    for bytes in [&b""[..], b"not a model", &[0x0a; 40], b"\x89PNG\r\n\x1a\n"] {
        let error = Model::load(bytes, None).unwrap_err();
        assert!(matches!(error, LoadError::NotOnnx { .. }), "{error}");
        assert!(error.to_string().contains("export the model"));
    }
}

#[test]
fn an_unknown_operator_is_named_with_its_node() {
    // The name of an operator, replaced by one of the same length that nobody has.
    let mut onnx = example("bc_pre_robust").onnx;
    let name = b"\x22\x06Scaler";
    let at = onnx.windows(name.len()).position(|window| window == name).unwrap();
    onnx[at + 2..at + 8].copy_from_slice(b"Scolar");
    let LoadError::Unsupported { nodes } = Model::load(&onnx, None).unwrap_err() else {
        panic!("not unsupported")
    };
    assert_eq!((nodes[0].operator.as_str(), nodes[0].node.as_str()), ("Scolar", "Scaler"));
    assert_eq!(inspect(&onnx).unwrap().unsupported, nodes);
}

#[test]
fn a_model_cut_off_inside_its_graph_is_refused() {
    // The graph ends at byte 1018; what follows only names operator sets.
    let onnx = example("bc_pre_robust").onnx;
    for length in 0..1018 {
        assert!(Model::load(&onnx[..length], None).is_err(), "{length} bytes load");
    }
}

#[test]
fn a_specification_of_another_graph_is_refused() {
    let mut spec = logreg().spec().clone();
    spec.inputs[0].name = "Y".into();
    let error = Model::load(&example("bc_logreg").onnx, Some(&spec)).unwrap_err();
    assert!(error.to_string().contains("input `Y` is Fp32[?,30], in the graph it is `X`"), "{error}");
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let model = logreg();
    let run = |inputs: &[Tensor]| model.run(inputs).unwrap_err();
    assert!(matches!(run(&[]), RunError::MissingInput { input, .. } if input == "X"));
    let narrow = run(&input(&[1, 12], TensorData::Fp32(vec![0.0; 12])));
    assert!(narrow.to_string().contains("`X` has shape [1,12]"), "{narrow}");
    assert!(matches!(run(&input(&[0, 30], TensorData::Fp32(vec![]))), RunError::Shape { .. }));
    assert!(matches!(run(&input(&[2, 30], TensorData::Fp32(vec![0.0; 30]))), RunError::Shape { .. }));
    let texts = input(&[1, 30], TensorData::Bytes(vec!["1".into(); 30]));
    assert!(matches!(run(&texts), RunError::Datatype { .. }));
    let mut twice = input(&[1, 30], TensorData::Fp32(vec![0.0; 30]));
    twice.extend(twice.clone());
    assert!(matches!(run(&twice), RunError::UnknownInput { .. }));
}

#[test]
fn numbers_of_other_types_are_converted_where_they_survive() {
    let model = logreg();
    let single = model.run(&input(&[1, 30], TensorData::Fp32(vec![7.0; 30]))).unwrap();
    assert_eq!(model.run(&input(&[1, 30], TensorData::Fp64(vec![7.0; 30]))).unwrap(), single);
    assert_eq!(model.run(&input(&[1, 30], TensorData::Int64(vec![7; 30]))).unwrap(), single);

    let mixed = example("ct_str_logreg");
    let model = Model::load(&mixed.onnx, None).unwrap();
    let mut inputs = support::row(&mixed.inputs, 0);
    let mode = inputs.iter_mut().find(|tensor| tensor.name == "mode").unwrap();
    mode.data = TensorData::Fp64(vec![0.5]);
    let error = model.run(&inputs).unwrap_err();
    assert!(matches!(&error, RunError::Value { input, .. } if input == "mode"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_tensor_makes_a_run_panic(
        shape in prop::collection::vec(0_usize..40, 0..4),
        bits in prop::collection::vec(any::<u32>(), 0..120),
        whole in any::<bool>(),
    ) {
        thread_local!(static MODELS: Vec<Model> = ["bc_logreg", "xgb_bc", "kmeans", "bc_gnb"]
            .iter().map(|name| Model::load(&example(name).onnx, None).unwrap()).collect());
        let data = if whole {
            TensorData::Int64(bits.iter().map(|b| i64::from(*b)).collect())
        } else {
            TensorData::Fp32(bits.iter().map(|b| f32::from_bits(*b)).collect())
        };
        MODELS.with(|models| for model in models {
            let _answer = model.run(&input(&shape, data.clone()));
            let fitting: Vec<f32> = bits.iter().cycle().take(30).map(|b| f32::from_bits(*b)).collect();
            let _answer = model.run(&input(&[1, fitting.len()], TensorData::Fp32(fitting)));
        });
    }

    #[test]
    fn flipped_bytes_never_make_loading_panic(at in 0_usize..1046, byte in any::<u8>()) {
        let mut onnx = example("bc_pre_robust").onnx;
        onnx[at] = byte;
        if let Ok(model) = Model::load(&onnx, None) {
            let _answer = model.run(&input(&[1, 30], TensorData::Fp32(vec![1.0; 30])));
        }
    }
}
