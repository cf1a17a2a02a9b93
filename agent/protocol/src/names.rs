//! Identifiers that cannot be wrong: parsed once at the border, trusted everywhere inside.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest device or model name, in bytes.
pub const MAX_NAME: usize = 64;

/// Why a string is not the identifier it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty, too long, or has a character outside the allowed set.
    #[error("{kind} {shown:?} is not valid: {rule}")]
    Shape {
        /// What the name would have named.
        kind: &'static str,
        /// The refused text, cut to a printable length.
        shown: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// The version is not a semantic version.
    #[error("model version {shown:?} is not a semantic version such as 1.4.0: {reason}")]
    Version {
        /// The refused text.
        shown: String,
        /// The parser's reason.
        reason: String,
    },
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $first:expr, $rest:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let first: fn(u8) -> bool = $first;
                let rest: fn(u8) -> bool = $rest;
                let bytes = text.as_bytes();
                let fits = bytes.len() <= MAX_NAME
                    && bytes.split_first().is_some_and(|(head, tail)| first(*head) && tail.iter().all(|b| rest(*b)));
                if fits {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError::Shape { kind: $kind, shown: shown(text), rule: $rule })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// A device's name: the common name of its certificate and a level of its MQTT topics.
    DeviceId,
    "device name",
    "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
    |b| b.is_ascii_alphanumeric(),
    |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')
);

name_type!(
    /// A model's name, for example `rain`. Dots are left to versions, so that `rain-1.4.0` reads one way.
    ModelName,
    "model name",
    "1 to 64 lower-case letters, digits, '_' or '-', beginning with a letter or digit",
    |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-')
);

/// A model's semantic version (semver 2.0).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelVersion(semver::Version);

impl ModelVersion {
    /// The version `major.minor.patch`.
    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self(semver::Version::new(major, minor, patch))
    }

    /// The next minor version, without pre-release and build parts.
    pub fn next_minor(&self) -> Self {
        Self::new(self.0.major, self.0.minor.saturating_add(1), 0)
    }
}

impl FromStr for ModelVersion {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = |reason: String| NameError::Version { shown: shown(text), reason };
        if text.len() > MAX_NAME {
            return Err(wrong(format!("longer than {MAX_NAME} bytes")));
        }
        let version = semver::Version::parse(text).map_err(|error| wrong(error.to_string()))?;
        if !version.build.is_empty() {
            return Err(wrong("build metadata (after '+') does not order versions; leave it out".into()));
        }
        Ok(Self(version))
    }
}

impl TryFrom<String> for ModelVersion {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ModelVersion> for String {
    fn from(version: ModelVersion) -> String {
        version.0.to_string()
    }
}

impl fmt::Display for ModelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One version of one model, written `rain-1.4.0` (also read from `rain@1.4.0`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelRef {
    /// The model's name.
    pub name: ModelName,
    /// Its version.
    pub version: ModelVersion,
}

impl ModelRef {
    /// The TUF target of this version's bundle.
    pub fn target(&self) -> TargetName {
        TargetName { folder: None, model: self.clone() }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name, self.version)
    }
}

impl FromStr for ModelRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let shape = || NameError::Shape {
            kind: "model reference",
            shown: shown(text),
            rule: "a name and a version, such as rain-1.4.0 or rain@1.4.0",
        };
        if text.len() > 2 * MAX_NAME + 1 {
            return Err(shape());
        }
        if let Some((name, version)) = text.split_once('@') {
            return Ok(Self { name: name.parse()?, version: version.parse()? });
        }
        text.match_indices('-')
            .find_map(|(at, _)| {
                let version = text[at + 1..].parse().ok()?;
                Some(Self { name: text[..at].parse().ok()?, version })
            })
            .ok_or_else(shape)
    }
}

/// Name of a bundle as a TUF target: `NAME-VERSION.dunlin`, or `FOLDER/NAME-VERSION.dunlin` where a
/// delegated role (for example `auto/*`) signs for a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetName {
    folder: Option<ModelName>,
    model: ModelRef,
}

impl TargetName {
    /// The same bundle under a delegated folder.
    pub fn in_folder(folder: ModelName, model: ModelRef) -> Self {
        Self { folder: Some(folder), model }
    }

    /// The model the bundle holds.
    pub fn model(&self) -> &ModelRef {
        &self.model
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(folder) = &self.folder {
            write!(f, "{folder}/")?;
        }
        write!(f, "{}.dunlin", self.model)
    }
}

impl FromStr for TargetName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let shape = || NameError::Shape {
            kind: "bundle name",
            shown: shown(text),
            rule: "NAME-VERSION.dunlin, with at most one folder before it",
        };
        let stem = text.strip_suffix(".dunlin").ok_or_else(shape)?;
        match stem.split_once('/') {
            Some((folder, model)) => Ok(Self { folder: Some(folder.parse()?), model: model.parse()? }),
            None => Ok(Self { folder: None, model: stem.parse()? }),
        }
    }
}

impl TryFrom<String> for TargetName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<TargetName> for String {
    fn from(name: TargetName) -> String {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_name_that_could_escape_its_topic_is_refused() {
        for bad in ["", "a/b", "+", "#", "$share", "a b", "-a", "ä", "a\0", &"x".repeat(65)] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad:?} was accepted");
        }
        for good in ["a", "station-07", "Pi.4_b", &"x".repeat(64)] {
            assert_eq!(good.parse::<DeviceId>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_model_reference_reads_back_as_written() {
        for text in ["rain-1.4.0", "rain-1.4.0-rc.1", "model-1-2.0.0", "x-0.0.1"] {
            assert_eq!(text.parse::<ModelRef>().unwrap().to_string(), text);
        }
        let model: ModelRef = "model-1@2.0.0".parse().unwrap();
        assert_eq!(model.target().to_string(), "model-1-2.0.0.dunlin");
        assert!("rain".parse::<ModelRef>().is_err());
        assert!("rain-1.4".parse::<ModelRef>().is_err());
        assert!("rain-1.4.0+build".parse::<ModelRef>().is_err());
    }

    #[test]
    fn a_bundle_name_with_a_path_in_it_is_refused() {
        for bad in ["../rain-1.0.0.dunlin", "/rain-1.0.0.dunlin", "a/b/rain-1.0.0.dunlin", "rain-1.0.0.tar"] {
            assert!(bad.parse::<TargetName>().is_err(), "{bad:?} was accepted");
        }
        let auto: TargetName = "auto/rain-1.0.0.dunlin".parse().unwrap();
        assert_eq!(auto.model().to_string(), "rain-1.0.0");
        assert_eq!(auto.to_string(), "auto/rain-1.0.0.dunlin");
    }
}
