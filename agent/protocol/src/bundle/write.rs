//! Writing a bundle, byte for byte the same for the same content.

use ring::digest;

use super::{Bundle, BundleError, Member, MemberName};
use crate::cbor;

/// Hash of a member in lower-case hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn write(bundle: &Bundle) -> Result<Vec<u8>, BundleError> {
    let mut members: Vec<(MemberName, Vec<u8>)> = vec![(MemberName::Model, bundle.model.clone())];
    if let Some(reference) = &bundle.reference {
        let name = MemberName::Reference;
        members.push((name, cbor::to_vec(reference).map_err(BundleError::cbor(name.as_str()))?));
    }
    if let Some(golden) = &bundle.golden {
        let name = MemberName::Golden;
        members.push((name, cbor::to_vec(golden).map_err(BundleError::cbor(name.as_str()))?));
    }
    members.push((MemberName::Card, bundle.card.clone().into_bytes()));
    members.push((MemberName::Sbom, bundle.sbom.clone().into_bytes()));

    let mut manifest = bundle.manifest.clone();
    manifest.format = super::FORMAT;
    manifest.members = members
        .iter()
        .map(|(name, bytes)| {
            let member = Member { length: bytes.len() as u64, sha256: sha256_hex(bytes) };
            (name.as_str().to_owned(), member)
        })
        .collect();
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(|error| BundleError::Unreadable {
        member: MemberName::Manifest.as_str(),
        reason: error.to_string(),
    })?;
    members.insert(0, (MemberName::Manifest, manifest));

    let total: u64 = members.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    if total > super::MAX_BUNDLE {
        return Err(BundleError::TooLarge { length: total, limit: super::MAX_BUNDLE });
    }
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in &members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        archive
            .append_data(&mut header, name.as_str(), bytes.as_slice())
            .map_err(|error| BundleError::NotTar(error.to_string()))?;
    }
    archive.into_inner().map_err(|error| BundleError::NotTar(error.to_string()))
}
