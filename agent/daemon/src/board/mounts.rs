//! Which file system holds a path, and whether it can be written: a parser of `/proc/self/mountinfo`
//! (`proc_pid_mountinfo(5)`).

use std::{fs, path::Path, path::PathBuf};

/// One mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is seen.
    pub point: PathBuf,
    /// Its kind, for example `ext4`.
    pub kind: String,
    /// True when nothing can be written to it from here.
    pub read_only: bool,
    /// True when nothing can be written to it from anywhere. A sandbox shows a file system read-only that is not.
    pub frozen: bool,
}

impl Mount {
    /// True when what is written there is gone after the next start.
    pub fn is_memory(&self) -> bool {
        matches!(self.kind.as_str(), "tmpfs" | "ramfs")
    }
}

/// Reads the mounts below `root`, which is `/` on a board; empty where the kernel shows none.
pub fn read(root: &Path) -> Vec<Mount> {
    parse(&fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default())
}

/// The mount that holds `path`: the longest above it, the last of several in one place.
pub fn of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    above.max_by_key(|mount| mount.point.components().count())
}

fn parse(text: &str) -> Vec<Mount> {
    text.lines()
        .filter_map(|line| {
            // 36 35 98:0 /its/root /point OPTIONS optional… - KIND source OPTIONS-OF-THE-FILE-SYSTEM
            let (here, everywhere) = line.split_once(" - ")?;
            let mut here = here.split_ascii_whitespace().skip(4);
            let mut everywhere = everywhere.split_ascii_whitespace();
            let (point, options, kind) = (here.next()?, here.next()?, everywhere.next()?);
            let says = |options: &str| options.split(',').any(|option| option == "ro");
            let frozen = everywhere.nth(1).is_some_and(says);
            let read_only = frozen || says(options);
            Some(Mount { point: unescape(point).into(), kind: kind.to_owned(), read_only, frozen })
        })
        .collect()
}

/// Spaces, tabs, line ends and backslashes stand there as a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 1 179:2 / / ro,noatime shared:1 - ext4 /dev/root rw\n\
        23 22 0:20 / /run rw,nosuid shared:5 master:2 - tmpfs tmpfs rw,size=1k\n\
        24 22 8:1 / /media/my\\040disk rw - vfat /dev/sda1 rw,errors=remount-ro\n\
        25 22 179:3 / /var/lib/dunlin-agent rw - ext4 /dev/mmcblk0p3 rw\n\
        26 22 179:4 / /opt rw - squashfs /dev/mmcblk0p4 ro\n\
        broken line\n";

    #[test]
    fn the_longest_mount_above_a_path_holds_it() {
        let mounts = parse(MOUNTS);
        assert_eq!(mounts.len(), 5);
        let at = |path: &str| of(&mounts, Path::new(path)).unwrap();
        assert!(at("/etc/dunlin").read_only && !at("/etc/dunlin").frozen, "as in a sandbox");
        assert!(at("/opt/x").read_only && at("/opt/x").frozen);
        assert!(!at("/var/lib/dunlin-agent/spool").read_only);
        assert!(at("/var/lib/dunlin-agents").read_only, "a name that only begins alike is another");
        assert!(at("/run/x").is_memory());
        assert!(!at("/media/my disk/x").read_only, "an option that only ends in ro is another");
        assert_eq!(of(&[], Path::new("/")), None);
    }
}
