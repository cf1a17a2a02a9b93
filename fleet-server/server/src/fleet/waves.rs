//! Waves by name: the ones that come with the program, and files beside `server.toml`.

use std::path::Path;

use dunlin_rollout::{Waves, WavesError};

/// The waves that every server knows.
const BUILT_IN: [(&str, &str); 3] = [
    ("careful", include_str!("../../../../configs/waves/careful.toml")),
    ("standard", include_str!("../../../../configs/waves/standard.toml")),
    ("quick", include_str!("../../../../configs/waves/quick.toml")),
];

/// Reads waves by name: `NAME.toml` in `folder` comes before the built-in ones.
///
/// # Errors
/// [`WavesError::Unreadable`] for an unknown name or a file that holds no waves.
pub fn named(name: &str, folder: &Path) -> Result<Waves, WavesError> {
    let plain = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if plain {
        if let Ok(text) = std::fs::read_to_string(folder.join(format!("{name}.toml"))) {
            return Waves::from_toml(&text);
        }
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Waves::from_toml(text);
        }
    }
    let known = BUILT_IN.map(|(known, _)| known).join(", ");
    let shown: String = name.chars().take(64).collect();
    Err(WavesError::Unreadable(format!(
        "there are no waves named {shown:?}; known are {known}, and files in {}",
        folder.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_path_reads_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(named("careful", folder.path()).unwrap().count() >= 2);
        for bad in ["../server", "/etc/passwd", "", "nothing"] {
            assert!(named(bad, folder.path()).is_err(), "{bad:?} was read");
        }
    }
}
