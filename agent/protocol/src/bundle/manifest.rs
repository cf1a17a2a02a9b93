//! `manifest.json`: what the bundle holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{names::ModelRef, spec::ModelSpec};

/// The members a bundle may have, in the order they stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberName {
    /// `manifest.json`, always first.
    Manifest,
    /// `model.onnx`.
    Model,
    /// `reference.cbor`.
    Reference,
    /// `golden.cbor`.
    Golden,
    /// `MODEL_CARD.md`.
    Card,
    /// `sbom.cdx.json`.
    Sbom,
}

impl MemberName {
    /// Every member in file order.
    pub const ALL: [MemberName; 6] = [
        MemberName::Manifest,
        MemberName::Model,
        MemberName::Reference,
        MemberName::Golden,
        MemberName::Card,
        MemberName::Sbom,
    ];

    /// The name in the archive.
    pub fn as_str(self) -> &'static str {
        match self {
            MemberName::Manifest => "manifest.json",
            MemberName::Model => "model.onnx",
            MemberName::Reference => "reference.cbor",
            MemberName::Golden => "golden.cbor",
            MemberName::Card => "MODEL_CARD.md",
            MemberName::Sbom => "sbom.cdx.json",
        }
    }

    /// Largest size that is read, in bytes.
    pub fn limit(self) -> u64 {
        match self {
            MemberName::Manifest => 1 << 20,
            MemberName::Model => super::MAX_BUNDLE,
            MemberName::Reference => 8 << 20,
            MemberName::Golden => 64 << 20,
            MemberName::Card => 1 << 20,
            MemberName::Sbom => 8 << 20,
        }
    }
}

/// Length and hash of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Bytes.
    pub length: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}

/// A bundle's `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of the bundle.
    pub format: u16,
    /// Name and version.
    pub model: ModelRef,
    /// Inputs and outputs.
    pub spec: ModelSpec,
    /// The other members, by name.
    #[serde(default)]
    pub members: BTreeMap<String, Member>,
    /// When it was made, RFC 3339 in UTC. Empty where the same input must give the same bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// What made the model, for example `dunlin-learning 0.1.0`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub producer: String,
    /// Lineage and scores: dataset, recipe, seed, metrics. Shown, never interpreted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, serde_json::Value>,
}

impl Manifest {
    /// A manifest of the current format with nothing but name and spec.
    pub fn new(model: ModelRef, spec: ModelSpec) -> Self {
        Self {
            format: super::FORMAT,
            model,
            spec,
            members: BTreeMap::new(),
            created: String::new(),
            producer: String::new(),
            facts: BTreeMap::new(),
        }
    }
}
