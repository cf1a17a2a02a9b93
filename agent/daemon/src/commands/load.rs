//! Reads what a person named: a bundle or a bare ONNX file.

use std::path::Path;

use anyhow::{Context as _, bail};
use dunlin_protocol::bundle::{self, Bundle, MAX_BUNDLE};

/// A file with a model in it.
pub enum Given {
    /// A bundle.
    Bundle(Box<Bundle>),
    /// A bare ONNX file.
    Onnx(Vec<u8>),
}

/// Reads a file of at most [`MAX_BUNDLE`] bytes. What is a tar is a bundle.
pub fn load(path: &Path) -> anyhow::Result<Given> {
    let shown = path.display();
    let length = std::fs::metadata(path)
        .with_context(|| format!("{shown} cannot be read; give the path of an ONNX file or a bundle"))?
        .len();
    if length > MAX_BUNDLE {
        bail!("{shown} has {length} bytes, more than the {MAX_BUNDLE} allowed");
    }
    let bytes = std::fs::read(path).with_context(|| format!("{shown} cannot be read"))?;
    let is_tar = bytes.get(257..262) == Some(b"ustar".as_slice());
    if is_tar || path.extension().is_some_and(|ending| ending == "dunlin") {
        let read = bundle::read(&bytes).with_context(|| format!("{shown} is not usable"))?;
        return Ok(Given::Bundle(Box::new(read)));
    }
    Ok(Given::Onnx(bytes))
}

impl Given {
    /// The ONNX bytes.
    pub fn onnx(&self) -> &[u8] {
        match self {
            Given::Bundle(bundle) => &bundle.model,
            Given::Onnx(bytes) => bytes,
        }
    }

    /// The bundle, if it is one.
    pub fn bundle(&self) -> Option<&Bundle> {
        match self {
            Given::Bundle(bundle) => Some(bundle),
            Given::Onnx(_) => None,
        }
    }
}
