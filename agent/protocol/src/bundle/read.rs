//! Reading a bundle from bytes that nobody vouches for.

use std::{collections::BTreeMap, io::Read};

use super::{Bundle, BundleError, FORMAT, MAX_BUNDLE, Manifest, MemberName, write::sha256_hex};
use crate::{cbor, statistics::FeatureReference};

/// Reads a bundle and checks every member against the manifest.
pub fn read(bytes: &[u8]) -> Result<Bundle, BundleError> {
    let length = bytes.len() as u64;
    if length > MAX_BUNDLE {
        return Err(BundleError::TooLarge { length, limit: MAX_BUNDLE });
    }
    let mut members = split(bytes)?;
    let manifest_bytes =
        members.remove(&MemberName::Manifest).ok_or(BundleError::Missing("manifest.json"))?;
    let manifest = read_manifest(manifest_bytes)?;
    check_hashes(&manifest, &members)?;

    let model = members.get(&MemberName::Model).ok_or(BundleError::Missing("model.onnx"))?.to_vec();
    let card = text(&members, MemberName::Card)?;
    let sbom = text(&members, MemberName::Sbom)?;
    let reference = members
        .get(&MemberName::Reference)
        .map(|bytes| cbor::from_slice(bytes, bytes.len()).map_err(BundleError::cbor("reference.cbor")))
        .transpose()?;
    let golden: Option<super::Golden> = members
        .get(&MemberName::Golden)
        .map(|bytes| cbor::from_slice(bytes, bytes.len()).map_err(BundleError::cbor("golden.cbor")))
        .transpose()?;
    let bundle = Bundle { manifest, model, reference, golden, card, sbom };
    check_agreement(&bundle)?;
    Ok(bundle)
}

/// Finds the members without copying them. The order is fixed, so a doubled or foreign member is out of order.
fn split(bytes: &[u8]) -> Result<BTreeMap<MemberName, &[u8]>, BundleError> {
    let not_tar = |error: std::io::Error| BundleError::NotTar(printable(&error.to_string()));
    let mut members = BTreeMap::new();
    let mut last: Option<MemberName> = None;
    let mut end = 0_usize;
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().map_err(not_tar)?.raw(true) {
        let entry = entry.map_err(not_tar)?;
        let shown = String::from_utf8_lossy(&entry.path_bytes()).chars().take(120).collect::<String>();
        let refuse = |reason| BundleError::Member { member: shown.clone(), reason };
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(refuse("only plain files are; links, folders and extensions are not"));
        }
        let name = MemberName::ALL
            .into_iter()
            .find(|name| name.as_str().as_bytes() == &*entry.path_bytes())
            .ok_or_else(|| refuse("it is not on the list of members"))?;
        if last.is_some_and(|last| last >= name) {
            return Err(refuse("it stands twice or out of order"));
        }
        last = Some(name);
        let size = entry.header().entry_size().map_err(not_tar)?;
        if size > name.limit() {
            return Err(refuse("it is larger than such a member may be"));
        }
        let start = usize::try_from(entry.raw_file_position()).unwrap_or(usize::MAX);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let content = start
            .checked_add(size)
            .and_then(|stop| bytes.get(start..stop))
            .ok_or_else(|| BundleError::NotTar(format!("{} is cut off", name.as_str())))?;
        let stop = start.saturating_add(size);
        end = stop.div_ceil(512).saturating_mul(512);
        if bytes.get(stop..end).unwrap_or_default().iter().any(|byte| *byte != 0) {
            return Err(BundleError::NotTar(format!("there are bytes behind {}", name.as_str())));
        }
        members.insert(name, content);
    }
    // Two zero blocks end an archive; anything else behind the last member is unaccounted for.
    if bytes.get(end..).unwrap_or_default().iter().any(|byte| *byte != 0) {
        return Err(BundleError::NotTar("there are bytes after the last member".into()));
    }
    Ok(members)
}

/// The archive reader quotes headers as they are; what is not text must not reach a terminal.
fn printable(reason: &str) -> String {
    if reason.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        reason.to_owned()
    } else {
        "a header in it is not text".to_owned()
    }
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, BundleError> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u16,
    }
    let member = MemberName::Manifest.as_str();
    let unreadable = |error: serde_json::Error| BundleError::Unreadable { member, reason: error.to_string() };
    let mut plain = bytes;
    let head: Head = serde_json::from_reader(plain.by_ref()).map_err(unreadable)?;
    if head.format > FORMAT {
        return Err(BundleError::Newer { found: head.format });
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

fn check_hashes(manifest: &Manifest, members: &BTreeMap<MemberName, &[u8]>) -> Result<(), BundleError> {
    for name in MemberName::ALL.into_iter().filter(|name| *name != MemberName::Manifest) {
        match (manifest.members.get(name.as_str()), members.get(&name)) {
            (None, None) => {}
            (Some(_), None) => return Err(BundleError::Missing(name.as_str())),
            (None, Some(_)) => {
                let member = name.as_str().to_owned();
                return Err(BundleError::Member { member, reason: "the manifest does not speak of it" });
            }
            (Some(expected), Some(bytes)) => {
                let found = sha256_hex(bytes);
                if found != expected.sha256 || bytes.len() as u64 != expected.length {
                    let expected = expected.sha256.clone();
                    return Err(BundleError::Hash { member: name.as_str(), found, expected });
                }
            }
        }
    }
    Ok(())
}

fn text(members: &BTreeMap<MemberName, &[u8]>, name: MemberName) -> Result<String, BundleError> {
    let bytes = members.get(&name).ok_or(BundleError::Missing(name.as_str()))?;
    let text = std::str::from_utf8(bytes).map_err(|error| BundleError::Unreadable {
        member: name.as_str(),
        reason: format!("not UTF-8: {error}"),
    })?;
    Ok(text.to_owned())
}

/// Reference and golden vectors must speak of the same features as the manifest.
fn check_agreement(bundle: &Bundle) -> Result<(), BundleError> {
    if let Some(reference) = &bundle.reference {
        let refuse = |reason: String| Err(BundleError::Unreadable { member: "reference.cbor", reason });
        let features = bundle.manifest.spec.features().count();
        if reference.features.len() != features {
            return refuse(format!("it has {} features, the manifest {features}", reference.features.len()));
        }
        for (feature, spec) in reference.features.iter().zip(bundle.manifest.spec.features()) {
            let agrees = match feature {
                FeatureReference::Numeric { bins, statistics, .. } => statistics.bins.0.len() == bins.len(),
                FeatureReference::Category { categories, statistics, .. } => {
                    statistics.known.0.len() == categories.len()
                }
            };
            if !agrees {
                return refuse(format!("the counts of {:?} do not fit its bins", spec.name));
            }
        }
    }
    if let Some(golden) = &bundle.golden {
        let bad = golden.inputs.iter().chain(&golden.outputs).find(|tensor| !tensor.is_consistent());
        if let Some(tensor) = bad {
            let reason =
                format!("tensor {:?} has another number of elements than its shape says", tensor.name);
            return Err(BundleError::Unreadable { member: "golden.cbor", reason });
        }
        if !(golden.tolerance >= 0.0 && golden.tolerance.is_finite()) {
            let reason = "the tolerance is not a finite number of at least 0".to_owned();
            return Err(BundleError::Unreadable { member: "golden.cbor", reason });
        }
    }
    Ok(())
}
