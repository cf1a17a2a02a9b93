//! Why a model was not taken, and how that looks from outside.

use axum::http::StatusCode;
use dunlin_protocol::{NameError, bundle::BundleError};

use super::boards;
use crate::{
    error::{ApiError, chain},
    storage::StoreError,
};

/// What can go wrong in the registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The bytes are not a bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A name or version is not one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The ONNX file cannot be used.
    #[error("the ONNX file cannot be used: {0}")]
    Onnx(String),
    /// Devices have not the memory.
    #[error(
        "it takes {:.1} MB of memory, which these devices have not: {}", *.model_bytes as f64 / 1e6, boards::listed(.devices)
    )]
    Memory {
        /// What it takes.
        model_bytes: u64,
        /// Who has not.
        devices: Vec<String>,
    },
    /// The version is taken.
    #[error("{model} is here already with other content (SHA-256 {found}); versions are never replaced")]
    Taken {
        /// The version.
        model: String,
        /// Hash of what is here.
        found: String,
    },
    /// There is no such model.
    #[error("there is no model {0} here")]
    Unknown(String),
    /// A signed target does not name a probed candidate.
    #[error("target {target} cannot be released: {reason}")]
    Target {
        /// The target's name.
        target: String,
        /// Why.
        reason: String,
    },
    /// Signed metadata was refused.
    #[error("the signed targets were refused: {}", chain(.0))]
    Trust(#[from] dunlin_trust::Error),
    /// The probe could not be run. This says nothing about the model.
    #[error("the probe could not be run: {0}")]
    Probe(String),
    /// The object store failed.
    #[error("the object store failed")]
    Objects(#[from] object_store::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored value cannot be read.
    #[error("a stored value cannot be read: {0}")]
    Damaged(String),
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        use RegistryError as E;
        let message = error.to_string();
        match &error {
            E::Bundle(_) => {
                ApiError::refused("bad-bundle", message, "see `dunlin-agent check FILE`; nothing was stored")
            }
            E::Name(_) => {
                ApiError::bad_request("bad-name", message, "name models like rain and versions like 1.4.0")
            }
            E::Onnx(_) => ApiError::refused(
                "bad-onnx",
                message,
                "see `dunlin-agent check FILE.onnx`; nothing was stored",
            ),
            E::Memory { .. } => ApiError::refused(
                "memory",
                message,
                "make it smaller, or push it anyway (?anyway=true, --anyway) and leave these devices out of its rollout",
            ),
            E::Taken { .. } => ApiError::conflict("version-taken", message, "push it under a higher version"),
            E::Unknown(_) => ApiError::not_found("unknown-model", message, "see `dunlin model list`"),
            E::Target { .. } => ApiError::refused(
                "target-refused",
                message,
                "push the bundle first, then sign exactly what was probed",
            ),
            E::Trust(inner) => trust(inner, message),
            E::Probe(_) => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "probe-unavailable",
                message,
                "check `[probe] agent` in server.toml and that this user may run it",
            ),
            E::Objects(_) | E::Store(_) | E::Damaged(_) => ApiError::internal(chain(&error)),
        }
    }
}

fn trust(error: &dunlin_trust::Error, message: String) -> ApiError {
    use dunlin_trust::Error as T;
    match error {
        T::Signature { .. } => {
            ApiError::refused("bad-signature", message, "sign with the release key that the root names")
        }
        T::Rollback { .. } => ApiError::conflict(
            "old-version",
            message,
            "fetch the current targets, add to them, sign the next version",
        ),
        T::Expired { .. } => ApiError::refused("expired", message, "sign them with a later expiry"),
        T::Disk { .. } => ApiError::internal(message),
        _ => {
            ApiError::refused("bad-metadata", message, "fetch the current targets and sign a change of them")
        }
    }
}
