//! Which file system holds a path, and whether it can be written: a parser of `/proc/mounts`.

use std::{fs, path::Path, path::PathBuf};

/// One mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is seen.
    pub point: PathBuf,
    /// Its kind, for example `ext4`.
    pub kind: String,
    /// True when nothing can be written to it.
    pub read_only: bool,
}

impl Mount {
    /// True when what is written there is gone after the next start.
    pub fn is_memory(&self) -> bool {
        matches!(self.kind.as_str(), "tmpfs" | "ramfs")
    }
}

/// Reads the mounts below `root`, which is `/` on a board; empty where the kernel shows none.
pub fn read(root: &Path) -> Vec<Mount> {
    parse(&fs::read_to_string(root.join("proc/mounts")).unwrap_or_default())
}

/// The mount that holds `path`: the longest above it, the last of several in one place.
pub fn of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    above.max_by_key(|mount| mount.point.components().count())
}

fn parse(text: &str) -> Vec<Mount> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace().skip(1);
            let (point, kind, options) = (words.next()?, words.next()?, words.next()?);
            let read_only = options.split(',').any(|option| option == "ro");
            Some(Mount { point: unescape(point).into(), kind: kind.to_owned(), read_only })
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

    const MOUNTS: &str = "/dev/root / ext4 ro,noatime 0 0\n\
        tmpfs /run tmpfs rw,nosuid 0 0\n\
        /dev/sda1 /media/my\\040disk vfat rw,errors=remount-ro 0 0\n\
        /dev/mmcblk0p3 /var/lib/dunlin-agent ext4 rw 0 0\n\
        broken line\n";

    #[test]
    fn the_longest_mount_above_a_path_holds_it() {
        let mounts = parse(MOUNTS);
        assert_eq!(mounts.len(), 4);
        let at = |path: &str| of(&mounts, Path::new(path)).unwrap();
        assert!(at("/etc/dunlin").read_only);
        assert!(!at("/var/lib/dunlin-agent/spool").read_only);
        assert!(at("/var/lib/dunlin-agents").read_only, "a name that only begins alike is another");
        assert!(at("/run/x").is_memory());
        assert!(!at("/media/my disk/x").read_only, "an option that only ends in ro is another");
        assert_eq!(of(&[], Path::new("/")), None);
    }
}
