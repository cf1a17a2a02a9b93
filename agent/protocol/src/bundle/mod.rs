//! The file a model travels in: `NAME-VERSION.dunlin`, an uncompressed tar with a fixed list of members.
//!
//! Reading trusts nothing: an unknown, missing, doubled, out-of-order or oversized member, a link, a member
//! whose hash is not the manifest's, and bytes after the end are errors. [`manifest`] is the part people read,
//! [`golden`] the numbers that the model must reproduce. Whether a bundle is *signed* is not decided here.

pub mod golden;
pub mod manifest;
mod read;
mod write;

pub use golden::Golden;
pub use manifest::{Manifest, Member, MemberName};
pub use read::read;

use crate::{cbor::CborError, names::ModelRef, statistics::Reference};

/// Largest bundle that is held in memory, in bytes.
pub const MAX_BUNDLE: u64 = 512 * 1024 * 1024;

/// Major version of the bundle format.
pub const FORMAT: u16 = 1;

/// A model with everything that is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// Name, version, inputs, outputs, provenance. Its member list is made anew on writing.
    pub manifest: Manifest,
    /// The ONNX model.
    pub model: Vec<u8>,
    /// Training distribution per feature; without it drift cannot be seen.
    pub reference: Option<Reference>,
    /// Inputs and the outputs another runtime gave for them; without it numbers are not compared.
    pub golden: Option<Golden>,
    /// Markdown for people.
    pub card: String,
    /// CycloneDX JSON.
    pub sbom: String,
}

impl Bundle {
    /// The model's name and version.
    pub fn model_ref(&self) -> &ModelRef {
        &self.manifest.model
    }

    /// The bundle as a file; the same bundle gives the same bytes.
    pub fn write(&self) -> Result<Vec<u8>, BundleError> {
        write::write(self)
    }
}

/// Why bytes are not a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Larger than allowed.
    #[error("the bundle has {length} bytes, more than the {limit} allowed; export a smaller model")]
    TooLarge {
        /// Bytes given.
        length: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Not a tar archive.
    #[error(
        "not a Dunlin bundle (an uncompressed tar): {0}; copy it again, or push the .onnx file with `dunlin model push`"
    )]
    NotTar(String),
    /// A member that must not be there, or at another place.
    #[error(
        "not a Dunlin bundle: its member {member:?} is not allowed: {reason}; give a NAME-VERSION.dunlin file"
    )]
    Member {
        /// The member as named in the archive.
        member: String,
        /// Why it is refused.
        reason: &'static str,
    },
    /// A member that must be there is not.
    #[error("not a whole Dunlin bundle: member {0} is missing; copy the file again")]
    Missing(&'static str),
    /// A member's bytes are not those the manifest speaks of.
    #[error(
        "bundle member {member} has SHA-256 {found}, its manifest says {expected}; the file was changed or damaged, copy it again"
    )]
    Hash {
        /// The member.
        member: &'static str,
        /// Hash of the bytes found.
        found: String,
        /// Hash in the manifest.
        expected: String,
    },
    /// A member cannot be read.
    #[error("bundle member {member} cannot be read: {reason}; copy the file again")]
    Unreadable {
        /// The member.
        member: &'static str,
        /// Why.
        reason: String,
    },
    /// Made by a later version of the format.
    #[error("the bundle has format {found}, this program reads up to {FORMAT}; upgrade this program")]
    Newer {
        /// The bundle's format.
        found: u16,
    },
}

impl BundleError {
    fn cbor(member: &'static str) -> impl Fn(CborError) -> Self {
        move |error| BundleError::Unreadable { member, reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests;
