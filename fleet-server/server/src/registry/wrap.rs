//! A bare ONNX file becomes a bundle: no reference, and without golden vectors "numbers not compared".

use dunlin_protocol::{
    ModelRef,
    bundle::{Bundle, BundleError, Manifest, golden::Golden},
    spec::ModelSpec,
};

/// The bundle of a bare ONNX file whose inputs and outputs are `spec`, as bytes.
///
/// # Errors
/// [`BundleError::TooLarge`] for a model over the limit.
pub fn wrap(
    model: ModelRef,
    spec: ModelSpec,
    onnx: Vec<u8>,
    golden: Option<Golden>,
) -> Result<Vec<u8>, BundleError> {
    let numbers = match &golden {
        Some(golden) => format!("Its numbers are compared with those of {}.", golden.origin),
        None => "It has no golden vectors, so its numbers were not compared with another runtime's.".into(),
    };
    let card = format!(
        "# {model}\n\nPushed as a bare ONNX file. It has no reference distribution, so drift cannot be seen. {numbers}\n"
    );
    let sbom = serde_json::json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": { "component": {
            "type": "machine-learning-model", "name": model.name, "version": model.version,
        } },
    });
    let mut manifest = Manifest::new(model, spec);
    manifest.producer = concat!("dunlin-server ", env!("CARGO_PKG_VERSION")).to_owned();
    Bundle { manifest, model: onnx, reference: None, golden, card, sbom: sbom.to_string() }.write()
}
