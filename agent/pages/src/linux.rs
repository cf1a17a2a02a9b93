//! By `/proc/self/smaps` and `madvise` (source: their manual pages).

use std::collections::HashSet;

use rustix::mm::{Advice, madvise};

/// A part of the address space, as its head line in smaps and the figures below it tell.
#[derive(Debug, PartialEq, Eq)]
struct Mapping<'a> {
    head: &'a str,
    start: usize,
    length: usize,
    resident_bytes: u64,
}

pub fn give_back() -> u64 {
    let read = |name| std::fs::read_to_string(name).unwrap_or_default();
    let (told, maps) = (read("/proc/self/smaps"), read("/proc/self/maps"));
    // An emulator may show one of its own and the other of the program that it runs.
    let heads: HashSet<&str> = maps.lines().collect();
    let is_ours = |mapping: &Mapping| heads.contains(mapping.head);
    clean(&told)
        .into_iter()
        .filter(is_ours)
        .filter(|mapping| unmap(mapping))
        .map(|mapping| mapping.resident_bytes)
        .sum()
}

#[allow(unsafe_code)]
fn unmap(mapping: &Mapping<'_>) -> bool {
    let start = std::ptr::with_exposed_provenance_mut(mapping.start);
    // SAFETY: the mapping is private, of a file, not writable and holds no page that was changed, so that every byte of it
    // is the file's and is read from there again when it is next used. Nobody makes such a mapping writable later: the
    // dynamic linker is done with relocations (programs bind at once), and no code of ours maps program files.
    unsafe { madvise(start, mapping.length, Advice::LinuxDontNeed) }.is_ok()
}

/// Mappings of program files of which nothing was changed.
fn clean(smaps: &str) -> Vec<Mapping<'_>> {
    let mut found: Vec<Mapping<'_>> = Vec::new();
    let mut current: Option<Mapping<'_>> = None;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else { continue };
        let kilobytes = || second.parse::<u64>().unwrap_or(u64::MAX);
        match first {
            "Rss:" => {
                if let Some(mapping) = &mut current {
                    mapping.resident_bytes = kilobytes().saturating_mul(1024);
                }
            }
            "Anonymous:" | "Swap:" | "Locked:" if kilobytes() > 0 => current = None,
            // The last line of each.
            "VmFlags:" => found.extend(current.take()),
            range if !range.ends_with(':') => current = head(range, second, line),
            _ => {}
        }
    }
    found
}

/// `START-END PERMISSIONS OFFSET DEVICE INODE PATH`, where it is a program's.
fn head<'a>(range: &str, permissions: &str, line: &'a str) -> Option<Mapping<'a>> {
    let path = line.find('/').and_then(|at| line.get(at..))?;
    let is_program =
        matches!(permissions, "r-xp" | "r--p") && !path.starts_with("/dev/") && !path.starts_with("/memfd:");
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let length = end.checked_sub(start)?;
    is_program.then_some(Mapping { head: line, start, length, resident_bytes: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "\
55d0c0000000-55d0c0252000 r--p 00000000 fe:00 12 /usr/bin/dunlin-agent
Rss:                2000 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
55d0c0252000-55d0c0dc0000 r-xp 00251000 fe:00 12 /usr/bin/dunlin-agent
Rss:               10000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
55d0c0dc0000-55d0c0e50000 r--p 00dbf000 fe:00 12 /usr/bin/dunlin-agent
Rss:                 564 kB
Anonymous:           564 kB
VmFlags: rd mr mw me ac
55d0c0e50000-55d0c0e54000 rw-p 00e4f000 fe:00 12 /usr/bin/dunlin-agent
Rss:                  16 kB
Anonymous:             0 kB
VmFlags: rd wr mr mw me ac
7f0000000000-7f0000021000 rw-p 00000000 00:00 0
Rss:                  76 kB
Anonymous:            76 kB
VmFlags: rd wr mr mw me ac
7ffc00000000-7ffc00002000 r-xp 00000000 00:00 0                          [vdso]
Rss:                   4 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me de
";

    #[test]
    fn only_unchanged_pages_of_program_files_are_given_back() {
        let found: Vec<u64> = clean(TOLD).iter().map(|mapping| mapping.resident_bytes / 1024).collect();
        assert_eq!(found, [2000, 10000]);
        assert_eq!(clean(TOLD)[1].length, 0xb6e000);
    }

    #[test]
    fn a_program_goes_on_after_it_gave_its_pages_back() {
        for _ in 0..3 {
            assert!(give_back() > 0);
            let words: Vec<String> = (0..1000).map(|number| format!("{number:x}")).collect();
            assert_eq!(words.join(" ").len(), 3727);
        }
    }
}
