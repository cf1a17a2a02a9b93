//! File names made from role and target names that anyone may have chosen.

/// Percent-encodes all but the unreserved characters of RFC 3986 section 2.3, `/` too, as python-tuf names files.
/// The result is one path segment that needs no further care, except where it is `.` or `..` alone; callers
/// append `.json` or encode dots.
pub fn quote(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for &byte in name.as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The path of a target relative to the targets URL or folder. With consistent snapshots the hash goes before the
/// last part of the name (TUF specification section 6.2.2).
pub fn target_path(name: &str, sha256: &str, consistent: bool) -> String {
    match (consistent, name.rsplit_once('/')) {
        (false, _) => name.to_owned(),
        (true, Some((folder, file))) => format!("{folder}/{sha256}.{file}"),
        (true, None) => format!("{sha256}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_become_one_harmless_segment() {
        assert_eq!(quote("../a b?#%/é"), "..%2Fa%20b%3F%23%25%2F%C3%A9");
        assert_eq!(quote("rain-1.4.0.dunlin"), "rain-1.4.0.dunlin");
    }

    #[test]
    fn the_hash_stands_before_the_file_name_only() {
        assert_eq!(target_path("a/b/c.bin", "ff", true), "a/b/ff.c.bin");
        assert_eq!(target_path("c.bin", "ff", true), "ff.c.bin");
        assert_eq!(target_path("a/c.bin", "ff", false), "a/c.bin");
    }
}
