//! Files that are whole after a power cut: written beside, flushed, renamed, and the folder flushed too.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Serialize, de::DeserializeOwned};

/// Replaces `path` with `bytes`, readable by its owner only. After a crash the old or the new file is there, whole.
/// A failure leaves nothing beside it: on a full disk every byte counts.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = parent(path);
    fs::create_dir_all(parent)?;
    let beside = beside(path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| rename(&beside, path));
    if written.is_err()
        && let Err(error) = fs::remove_file(&beside)
    {
        tracing::debug!(path = %beside.display(), %error, "a half-written file stays");
    }
    written
}

/// Renames and flushes the folder.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(parent(to))
}

/// Takes a folder for this process; it is free again when the file is dropped, also by a crash. `None` where the file
/// system knows no locks or cannot be written: that is no reason not to work.
///
/// # Errors
/// Another process, or another user of this one, holds it.
pub fn lock(folder: &Path) -> anyhow::Result<Option<File>> {
    let path = folder.join("agent.lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = match opened.or_else(|_| File::open(&path)) {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "the folder cannot be locked");
            return Ok(None);
        }
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "{} is used by another agent; stop that one, or give this one a folder of its own with --data-dir",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, path = %path.display(), "the folder cannot be locked");
            Ok(None)
        }
    }
}

/// Flushes a folder's list of names.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes a value as JSON, durably.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    write(path, &bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads JSON; `None` when there is no such file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("{} is damaged; remove it to begin anew", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        write_json(&path, &[1, 2]).unwrap();
        write_json(&path, &[3]).unwrap();
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), Some(vec![3]));
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_a_missing_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        assert_eq!(read_json::<u8>(&path).unwrap(), None);
        fs::write(&path, "{").unwrap();
        assert!(read_json::<u8>(&path).unwrap_err().to_string().contains("damaged"));
    }
}
