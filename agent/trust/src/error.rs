//! What can go wrong, named for what the caller can do about it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Shorthand for this crate's results.
pub type Result<T> = std::result::Result<T, Error>;

/// Why metadata or a target was not accepted, or could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server could not be reached or broke off. Try again later; nothing was lost.
    #[error("{what}: {reason}")]
    Network {
        /// What was being fetched.
        what: String,
        /// What the network or the server said.
        reason: String,
        /// The cause underneath, if there is one.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// Metadata is older than its signer allows, or the clock is ahead. The signer must publish anew.
    #[error("{role} expired at {expires}, and it is {now}; publish it anew, or correct the clock")]
    Expired {
        /// The role that expired.
        role: String,
        /// When it expired.
        expires: Timestamp,
        /// The time it was judged at.
        now: Timestamp,
    },
    /// The server offers something older than what was accepted before.
    #[error("{role} version {offered} is older than version {trusted}, which was accepted before")]
    Rollback {
        /// The role that went back.
        role: String,
        /// The version accepted before.
        trusted: u64,
        /// The version offered now; 0 if the role vanished.
        offered: u64,
    },
    /// Too few valid signatures by the keys that may sign.
    #[error("{role} is not signed by those who may: {reason}")]
    Signature {
        /// The role that lacks signatures.
        role: String,
        /// How many were found and needed, or what is wrong with a key.
        reason: String,
    },
    /// Bytes are not those that signed metadata names: length, hash or version differ.
    #[error("{what} is not what was signed: {reason}")]
    Mismatch {
        /// The file or role.
        what: String,
        /// The difference.
        reason: String,
    },
    /// Not TUF metadata, or a kind this crate does not read.
    #[error("{what} cannot be read: {reason}")]
    Malformed {
        /// The file or role.
        what: String,
        /// What is wrong in it.
        reason: String,
    },
    /// The trust store on disk cannot be relied on. It is never replaced silently.
    #[error("trust store {path} is damaged: {reason}; run a repair, or enrol the device again", path = path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The server does not have it, or no trusted role lists it.
    #[error("{what} was not found: {reason}")]
    NotFound {
        /// The file or target.
        what: String,
        /// Where it was looked for.
        reason: String,
    },
    /// More bytes than the limit or than was signed. The rest was not read.
    #[error("{what} is larger than the {limit} bytes allowed")]
    TooLarge {
        /// The file.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {path}", path = path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A private or public key that cannot be used.
    #[error("key {key}: {reason}")]
    Key {
        /// The key's id or file.
        key: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// The caller asked for something that makes no sense.
    #[error("{what}: {reason}")]
    Usage {
        /// The argument.
        what: String,
        /// Why it is refused and what to give instead.
        reason: String,
    },
}

impl Error {
    /// Whether trying again later, with nothing changed here, may succeed.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Network { .. })
    }

    pub(crate) fn disk(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Disk { action, path: path.to_owned(), source }
    }

    pub(crate) fn malformed(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Malformed { what: what.into(), reason: reason.to_string() }
    }

    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }

    /// The core's verdict about `role`, in this crate's words.
    pub(crate) fn verdict(role: &str, now: Timestamp, error: sigstore_tuf::Error) -> Self {
        use sigstore_tuf::Error as Core;
        match error {
            Core::Expired { role, expires } => Self::Expired { role, expires, now },
            Core::Rollback { role, trusted, new } => Self::Rollback { role, trusted, offered: new },
            Core::BadRootVersion { trusted, new } if new < trusted => {
                Self::Rollback { role: role.to_owned(), trusted, offered: new }
            }
            Core::BadRootVersion { trusted, new } => Self::Mismatch {
                what: role.to_owned(),
                reason: format!("version {new} does not follow version {trusted}"),
            },
            Core::IntegrityMismatch(reason) => Self::Mismatch { what: role.to_owned(), reason },
            Core::ThresholdNotMet { role, found, threshold } => {
                Self::Signature { role, reason: format!("{found} of {threshold} valid signatures") }
            }
            error @ (Core::UnusableKey { .. }
            | Core::UnsupportedScheme { .. }
            | Core::UnknownRole(_)
            | Core::DuplicateSignature { .. }
            | Core::Crypto(_)) => Self::Signature { role: role.to_owned(), reason: chain(&error) },
            error => Self::Malformed { what: role.to_owned(), reason: chain(&error) },
        }
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
