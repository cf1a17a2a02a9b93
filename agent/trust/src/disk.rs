//! Files that survive a power cut: write beside, flush, rename, flush the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Replaces `path` by `bytes` so that after any crash it holds either the old content or the new.
pub(crate) fn write_durable(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = beside(path, ".new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| Error::disk("write", &temporary, e))?;
    rename_durable(&temporary, path)
}

/// Renames within one folder and flushes the folder.
pub(crate) fn rename_durable(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| Error::disk("rename to", to, e))?;
    sync_folder(to)
}

/// Removes a file, if it is there, and flushes the folder.
pub(crate) fn remove_durable(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::disk("remove", path, e)),
    }
}

/// Makes a folder with its parents.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::disk("make folder", path, e))?;
    sync_folder(path)
}

/// Writes a new file with mode 0600; refuses to overwrite.
pub(crate) fn write_new_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let write = || -> io::Result<()> {
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| Error::disk("write", path, e))?;
    sync_folder(path)
}

/// The content of a file of at most `cap` bytes.
pub(crate) fn read_capped(path: &Path, cap: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| Error::disk("open", path, e))?;
    let mut bytes = Vec::new();
    file.take(cap + 1).read_to_end(&mut bytes).map_err(|e| Error::disk("read", path, e))?;
    if bytes.len() as u64 > cap {
        return Err(Error::TooLarge { what: path.display().to_string(), limit: cap });
    }
    Ok(bytes)
}

/// As [`read_capped`], with `None` for a file that does not exist.
pub(crate) fn read_if_there(path: &Path, cap: u64) -> Result<Option<Vec<u8>>> {
    match read_capped(path, cap) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// `path` with `suffix` appended to its file name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Flushes the folder that holds `path`, so that the name in it is durable too.
fn sync_folder(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::disk("flush folder", folder, e))
}
