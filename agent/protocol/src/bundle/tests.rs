use super::*;
use crate::{
    spec::{FeatureSpec, InputSpec, ModelSpec, OutputRole, OutputSpec, Task},
    statistics::{Bins, FeatureReference, NumericRecorder},
    tensor::{Datatype, Tensor, TensorData},
};

fn example() -> Bundle {
    let values: Vec<f32> = (0..300).map(|k| k as f32 / 3.0).collect();
    let bins = Bins::from_values(&values).unwrap();
    let mut recorder = NumericRecorder::new(bins.clone());
    values.iter().for_each(|v| recorder.observe(*v));
    let shape = vec![None, Some(1)];
    let spec = ModelSpec {
        task: Task::Regression,
        inputs: vec![InputSpec {
            name: "x".into(),
            datatype: Datatype::Fp32,
            shape: shape.clone(),
            features: vec![FeatureSpec { unit: Some("hPa".into()), ..FeatureSpec::named("pressure") }],
        }],
        outputs: vec![OutputSpec {
            name: "y".into(),
            datatype: Datatype::Fp32,
            shape,
            role: OutputRole::Value,
        }],
        labels: vec![],
        thresholds: Default::default(),
        target: None,
    };
    let tensor =
        |name: &str| Tensor { name: name.into(), shape: vec![2, 1], data: TensorData::Fp32(vec![1.0, 2.0]) };
    Bundle {
        manifest: Manifest::new("rain-1.4.0".parse().unwrap(), spec),
        model: b"not really onnx".to_vec(),
        reference: Some(Reference {
            rows: 300,
            features: vec![FeatureReference::Numeric { bins, statistics: recorder.take(), spread: vec![] }],
            outputs: None,
        }),
        golden: Some(Golden {
            origin: "onnxruntime 1.22".into(),
            inputs: vec![tensor("x")],
            outputs: vec![tensor("y")],
            tolerance: 1e-5,
        }),
        card: "# Rain".into(),
        sbom: "{}".into(),
    }
}

#[test]
fn a_bundle_reads_back_as_written_and_writes_the_same_bytes() {
    let bundle = example();
    let bytes = bundle.write().unwrap();
    let back = read(&bytes).unwrap();
    assert_eq!(back.model, bundle.model);
    assert_eq!(back.reference, bundle.reference);
    assert_eq!(back.golden, bundle.golden);
    assert_eq!(back.write().unwrap(), bytes);
}

#[test]
fn a_bundle_with_one_flipped_bit_is_refused() {
    // The manifest itself is covered by the signed hash of the whole file; from the first member it speaks of
    // on, every bit that matters is covered by the manifest. Tar headers carry fields that mean nothing here.
    let bytes = example().write().unwrap();
    let first = bytes.windows(10).position(|w| w == b"model.onnx").unwrap();
    let content = bytes.iter().rposition(|b| *b != 0).unwrap();
    let (mut refused, original) = (0, read(&bytes).unwrap());
    for at in (0..=content).filter(|at| *at >= first.next_multiple_of(512)) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        match read(&damaged) {
            Err(_) => refused += 1,
            Ok(back) => assert_eq!(back, original, "bit 0 of byte {at} changed the bundle"),
        }
    }
    assert!(refused > 300, "{refused}");
}

fn tar_of(members: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, kind, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_entry_type(*kind);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn members_that_are_not_on_the_list_are_refused() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    for (name, kind) in [
        ("../../etc/passwd", Regular),
        ("/etc/passwd", Regular),
        ("extra.txt", Regular),
        ("model.onnx", Symlink),
        ("model.onnx", Link),
        ("model.onnx", Directory),
    ] {
        let error = read(&tar_of(&[("manifest.json", Regular, b"{}"), (name, kind, b"")])).unwrap_err();
        assert!(matches!(error, BundleError::Member { .. }), "{name} {kind:?}: {error}");
    }
    let twice = tar_of(&[("manifest.json", Regular, b"{}"), ("manifest.json", Regular, b"{}")]);
    assert!(matches!(read(&twice), Err(BundleError::Member { .. })));
    assert!(matches!(read(&[]), Err(BundleError::Missing("manifest.json"))));
    assert!(matches!(read(&[7; 4096]), Err(BundleError::NotTar(_))));
}

#[test]
fn bytes_after_the_end_and_a_cut_are_refused() {
    let bytes = example().write().unwrap();
    let mut longer = bytes.clone();
    longer.extend([1; 512]);
    assert!(matches!(read(&longer), Err(BundleError::NotTar(_))));
    assert!(read(&bytes[..bytes.len() / 2]).is_err());
}

#[test]
fn a_later_format_is_refused_by_name() {
    let bytes = tar_of(&[("manifest.json", tar::EntryType::Regular, br#"{"format": 9, "model": 3}"#)]);
    let error = read(&bytes).unwrap_err().to_string();
    assert!(error.contains("format 9") && error.contains("upgrade"), "{error}");
}

#[test]
fn a_reference_of_other_features_is_refused() {
    let mut bundle = example();
    bundle.reference.as_mut().unwrap().features.clear();
    let error = read(&bundle.write().unwrap()).unwrap_err().to_string();
    assert!(error.contains("0 features"), "{error}");
}
