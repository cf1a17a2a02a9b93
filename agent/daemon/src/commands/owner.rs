//! Root gives way to the user whom the data folder belongs to.
//!
//! A package makes the folder for its service's user. What root wrote there, that user could not read; and root does
//! not follow links that a service's user may have made.

use std::{
    fs,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
};

use anyhow::Context as _;

/// Starts this very command again as the owner of `data_dir`, in the place of this process, where this one is root's
/// and the folder is not.
///
/// # Errors
/// The process cannot be replaced.
pub fn give_way(data_dir: &Path) -> anyhow::Result<()> {
    let Ok(folder) = fs::metadata(data_dir) else { return Ok(()) };
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !root || folder.uid() == 0 {
        return Ok(());
    }
    let program = std::env::current_exe().context("this program's path is not known")?;
    let arguments = std::env::args_os().skip(1);
    let failed = Command::new(program).args(arguments).uid(folder.uid()).gid(folder.gid()).exec();
    Err(failed).with_context(|| {
        format!("cannot go on as the owner of {} (uid {})", data_dir.display(), folder.uid())
    })
}
