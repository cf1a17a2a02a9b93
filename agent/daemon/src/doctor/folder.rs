//! The data folder: is it there, can it be written, is there room, is it private?
//!
//! Nothing is written to find out: rights and mounts tell.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{AS_ROOT, Line};
use crate::{
    board::{
        mounts::{self, Mount},
        report::disk_free,
    },
    identity::files,
};

const MB: f64 = 1e6;
/// Below this nothing works, bytes.
const LEAST: u64 = 4 << 20;
/// Files that are looked at for their owner.
const MOST_FILES: usize = 10_000;

/// The data folder as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// There is nothing.
    Missing,
    /// This user may not see it.
    Hidden,
    /// It is something else.
    NoFolder,
    /// It is a folder, of this owner, with these rights.
    Folder {
        /// User id.
        owner: u32,
        /// Rights, as `chmod` counts them.
        mode: u32,
    },
}

/// Looks at the data folder.
pub fn look(path: &Path) -> Found {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Found::Folder { owner: there.uid(), mode: there.mode() },
        Ok(_) => Found::NoFolder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Missing,
        Err(_) => Found::Hidden,
    }
}

/// The mount that holds a path, or would hold it.
pub fn mount(root: &Path, path: &Path) -> Option<Mount> {
    let real = path.ancestors().find_map(|part| part.canonicalize().ok());
    mounts::of(&mounts::read(root), &real?).cloned()
}

/// Judges the folder itself.
pub fn data_folder(path: &Path, found: Found, mount: Option<&Mount>) -> Line {
    let (name, shown) = ("data folder", path.display());
    if found == Found::Hidden {
        return Line::skipped(name, format!("{shown}: {AS_ROOT}"));
    }
    if let Some(mount) = mount.filter(|mount| mount.read_only) {
        let point = mount.point.display();
        return Line::failed(
            name,
            format!("{shown} cannot be written: {point} is mounted read-only"),
            format!("sudo mount -o remount,rw {point}, or set data_dir to a place that can be written"),
        );
    }
    match found {
        Found::Missing => Line::warning(
            name,
            format!("{shown} is not there yet"),
            "start the agent, which makes it: sudo systemctl start dunlin-agent; or name another with --data-dir",
        ),
        Found::NoFolder => Line::failed(
            name,
            format!("{shown} is not a folder"),
            "set data_dir in the configuration to a folder",
        ),
        Found::Folder { mode, .. } if mode & 0o300 != 0o300 => Line::failed(
            name,
            format!("{shown} cannot be written by its owner"),
            format!("sudo chmod u+rwx {shown}"),
        ),
        _ if mount.is_some_and(Mount::is_memory) => Line::warning(
            name,
            format!("{shown} is in memory: what it holds is lost at the next start"),
            "set data_dir to a place on the disk",
        ),
        Found::Folder { owner, .. } => {
            Line::ok(name, format!("{shown} can be written by its owner, user {owner}"))
        }
        Found::Hidden => Line::skipped(name, AS_ROOT),
    }
}

/// Judges free space: the spool may grow to its limit, and an update needs room for the model that answers and the
/// one that comes.
pub fn disk(free: Option<u64>, spool_limit: u64, largest_model: u64) -> Line {
    let name = "disk";
    let Some(free) = free else { return Line::skipped(name, "the free space cannot be read") };
    let need = spool_limit + 2 * largest_model;
    let shown = format!("{:.1} MB are free", free as f64 / MB);
    let wanted = format!(
        "the spool may need {:.1} MB and two models {:.1} MB",
        spool_limit as f64 / MB,
        2.0 * largest_model as f64 / MB
    );
    let cure = "free some space, for example: sudo apt clean; or lower spool.limit_bytes";
    if free < LEAST.max(largest_model) {
        Line::failed(name, format!("{shown}; {wanted}"), cure)
    } else if free < need {
        Line::warning(name, format!("{shown}; {wanted}"), cure)
    } else {
        Line::ok(name, shown)
    }
}

/// Free space for the data folder, or for where it will be.
pub fn free(path: &Path) -> Option<u64> {
    path.ancestors().find(|part| part.exists()).and_then(disk_free)
}

/// Bytes of the largest bundle here; 0 without one.
pub fn largest_model(data_dir: &Path) -> u64 {
    let folders = fs::read_dir(data_dir.join("models")).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    files.filter_map(|file| Some(file.metadata().ok()?.len())).max().unwrap_or(0)
}

/// Who owns the files of the data folder, and the rights of the device's key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Owners of all that lies in the folder, and of the folder.
    pub owners: BTreeSet<u32>,
    /// Rights of the key, where there is one.
    pub key_mode: Option<u32>,
    /// A part that this user may not see.
    pub hidden: Option<PathBuf>,
}

/// Reads the rights, of no more than so many files; links are not followed.
pub fn rights(data_dir: &Path) -> Rights {
    let mut rights = Rights::default();
    let mut wait = vec![data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned())];
    let mut seen = 0;
    while let Some(path) = wait.pop().filter(|_| seen < MOST_FILES) {
        seen += 1;
        let Ok(there) = fs::symlink_metadata(&path) else {
            rights.hidden = Some(path);
            continue;
        };
        rights.owners.insert(there.uid());
        if there.is_dir() {
            match fs::read_dir(&path) {
                Ok(entries) => wait.extend(entries.flatten().map(|entry| entry.path())),
                Err(_) => rights.hidden = Some(path),
            }
        }
    }
    let key = fs::metadata(files::folder(data_dir).join("key.pem"));
    rights.key_mode = key.ok().map(|key| key.mode() & 0o7777);
    rights
}

/// Judges them.
pub fn permissions(data_dir: &Path, found: Found, rights: &Rights) -> Line {
    let name = "permissions";
    let Found::Folder { owner, .. } = found else {
        return Line::skipped(name, "there is no data folder to look at");
    };
    if let Some(mode) = rights.key_mode.filter(|mode| mode & 0o077 != 0) {
        let key = files::folder(data_dir).join("key.pem");
        return Line::failed(
            name,
            format!("the device's key can be read by others (mode {mode:04o})"),
            format!("sudo chmod 600 {}", key.display()),
        );
    }
    if rights.owners.len() > 1 {
        let owners: Vec<String> = rights.owners.iter().map(u32::to_string).collect();
        return Line::failed(
            name,
            format!("files in the data folder belong to several users: {}", owners.join(", ")),
            format!("sudo chown -R {owner}: {}", data_dir.display()),
        );
    }
    if let Some(hidden) = &rights.hidden {
        return Line::skipped(name, format!("{}: {AS_ROOT}", hidden.display()));
    }
    let key = if rights.key_mode.is_some() { "; the device's key is private" } else { "" };
    Line::ok(name, format!("all files belong to user {owner}{key}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn the_data_folder_is_a_table() {
        let mount = |kind: &str, read_only| Mount {
            point: "/data".into(),
            kind: kind.into(),
            read_only,
            frozen: false,
        };
        let good = Found::Folder { owner: 998, mode: 0o40700 };
        let (disk, memory, locked) = (mount("ext4", false), mount("tmpfs", false), mount("ext4", true));
        let table = [
            (good, Some(&disk), Verdict::Ok, "user 998"),
            (good, None, Verdict::Ok, "user 998"),
            (good, Some(&memory), Verdict::Warning, "lost at the next start"),
            (good, Some(&locked), Verdict::Failed, "/data is mounted read-only"),
            (Found::Missing, Some(&locked), Verdict::Failed, "read-only"),
            (Found::Missing, Some(&disk), Verdict::Warning, "not there yet"),
            (Found::NoFolder, Some(&disk), Verdict::Failed, "not a folder"),
            (Found::Hidden, Some(&locked), Verdict::Skipped, "sudo dunlin-agent doctor"),
            (Found::Folder { owner: 0, mode: 0o40500 }, Some(&disk), Verdict::Failed, "by its owner"),
        ];
        for (found, mount, verdict, words) in table {
            let line = data_folder(Path::new("/data/x"), found, mount);
            assert_eq!(line.verdict, verdict, "{line}");
            assert!(line.found.contains(words), "{line}");
        }
    }

    #[test]
    fn the_disk_has_room_for_the_spool_and_two_models() {
        let verdict = |free| disk(free, 16 << 20, 20 << 20).verdict;
        assert_eq!(verdict(None), Verdict::Skipped);
        assert_eq!(verdict(Some(60 << 20)), Verdict::Ok);
        assert_eq!(verdict(Some(50 << 20)), Verdict::Warning);
        assert_eq!(verdict(Some(19 << 20)), Verdict::Failed);
        assert_eq!(disk(Some(1 << 20), 0, 0).verdict, Verdict::Failed);
    }

    #[test]
    fn a_key_that_others_can_read_is_found_with_its_cure() {
        let data = tempfile::tempdir().unwrap();
        files::save_key(data.path(), "a key").unwrap();
        let line = permissions(data.path(), look(data.path()), &rights(data.path()));
        assert_eq!(line.verdict, Verdict::Ok, "{line}");
        let key = data.path().join("identity/key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let line = permissions(data.path(), look(data.path()), &rights(data.path()));
        assert_eq!(line.verdict, Verdict::Failed);
        assert_eq!(line.cure.unwrap(), format!("sudo chmod 600 {}", key.display()));
    }

    #[test]
    fn files_of_several_users_are_found() {
        let found = Found::Folder { owner: 998, mode: 0o700 };
        let rights = Rights { owners: [0, 998].into(), ..Rights::default() };
        let line = permissions(Path::new("/d"), found, &rights);
        assert_eq!((line.verdict, line.cure.as_deref()), (Verdict::Failed, Some("sudo chown -R 998: /d")));
        let hidden = Rights { owners: [998].into(), hidden: Some("/d/x".into()), ..Rights::default() };
        assert_eq!(permissions(Path::new("/d"), found, &hidden).verdict, Verdict::Skipped);
        assert_eq!(permissions(Path::new("/d"), Found::Missing, &hidden).verdict, Verdict::Skipped);
    }
}
