//! A seed file: read within bounds, and rewritten without its token.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use dunlin_trust::pin::Fingerprint;
use serde::Deserialize;

use crate::durable;

/// Largest seed that is read, bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// What an image says about enrolment.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// `https://HOST:PORT` of the fleet server.
    pub server: String,
    /// Fingerprint of its CA, `sha256:HEX`.
    pub ca: String,
    /// The enrolment token; without it the seed was used.
    pub token: Option<String>,
    /// The device's name, with `{host}`, `{serial}` and `{mac}` in it.
    pub device: Option<String>,
    /// Who used it, and when.
    pub enrolled: Option<String>,
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed")
            .field("server", &self.server)
            .field("device", &self.device)
            .field("enrolled", &self.enrolled)
            .finish_non_exhaustive()
    }
}

/// Why a seed cannot be used. Never shows a value, which may be the token.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(io::Error),
    /// It is longer than a seed can be.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It is not written as a seed is.
    #[error("{0}")]
    Shape(String),
}

impl Seed {
    /// Reads TOML text.
    ///
    /// # Errors
    /// If a key is unknown or missing, or a value cannot be what it should.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        // Editors of other systems begin a file with a mark.
        let text = text.trim_start_matches('\u{feff}');
        let seed: Self = toml::from_str(text).map_err(|error| SeedError::Shape(shape(text, &error)))?;
        seed.check().map_err(SeedError::Shape)?;
        Ok(seed)
    }

    fn check(&self) -> Result<(), String> {
        if !self.server.starts_with("https://") {
            return Err("server is not an https:// address; a token must not travel in the clear".into());
        }
        if self.ca.parse::<Fingerprint>().is_err() {
            return Err("ca is not a fingerprint: it is written sha256: and 64 hex digits".into());
        }
        let plain = |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.token.iter().all(plain) {
            return Err("token is not one: copy it as `dunlin token create` prints it".into());
        }
        Ok(())
    }

    /// True while it holds a token.
    pub fn is_usable(&self) -> bool {
        self.token.is_some()
    }
}

/// What is wrong with a file, without any text of it but names of keys.
fn shape(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    if message.starts_with("unknown field") {
        return format!("{:#}", crate::config::explain(&error.to_string()));
    }
    if message.starts_with("missing field") {
        return message.to_owned();
    }
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.lines().count().max(1);
    format!("line {line} or the next cannot be read; a line is written key = \"text\"")
}

/// Reads a seed file; `None` when there is none.
///
/// # Errors
/// If it is there and cannot be used.
pub fn read(path: &Path) -> Result<Option<Seed>, SeedError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(SeedError::Unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(SeedError::Unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SeedError::TooLong);
    }
    let text = String::from_utf8(bytes).map_err(|_| SeedError::Shape("it is not text in UTF-8".into()))?;
    Seed::parse(&text).map(Some)
}

/// The seeds that are there, in the order of their places.
pub fn look(places: &[PathBuf]) -> Vec<(PathBuf, Result<Seed, SeedError>)> {
    places.iter().filter_map(|path| Some((path.clone(), read(path).transpose()?))).collect()
}

/// Erases the token of a seed and leaves a line that says who used it. The old bytes are overwritten in place first,
/// where the file system writes in place (as that of a boot partition does); then the file is replaced as a whole.
///
/// # Errors
/// If the old bytes could not be overwritten: then the token is still there.
pub fn erase(path: &Path, seed: &Seed, used: &str) -> io::Result<()> {
    let old = fs::read_to_string(path)?;
    let text = without_token(&old, seed, used);
    let mut file = OpenOptions::new().write(true).open(path)?;
    let padding = "\n".repeat(old.len().saturating_sub(text.len()));
    file.write_all(format!("{text}{padding}").as_bytes())?;
    file.sync_all()?;
    drop(file);
    if let Err(error) = durable::write(path, text.as_bytes()) {
        tracing::debug!(path = %path.display(), %error, "the seed keeps empty lines at its end");
    }
    Ok(())
}

/// The text of a seed without its token; other lines stay as people wrote them, where that leaves a seed.
fn without_token(old: &str, seed: &Seed, used: &str) -> String {
    let token = seed.token.as_deref().unwrap_or_default();
    let is_key = |line: &str, key: &str| {
        let rest = line.trim_start().trim_start_matches(['"', '\'']).strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with('='))
    };
    let kept = old.lines().filter(|line| {
        !is_key(line, "token") && !is_key(line, "enrolled") && (token.is_empty() || !line.contains(token))
    });
    let mut text: String = kept.flat_map(|line| [line.trim_end(), "\n"]).collect();
    let used = toml::Value::String(used.to_owned());
    text += &format!("enrolled = {used}\n");
    if Seed::parse(&text).is_ok_and(|seed| !seed.is_usable()) {
        return text;
    }
    let text = |text: &str| toml::Value::String(text.to_owned());
    let device = seed.device.as_ref().map_or(String::new(), |device| format!("device = {}\n", text(device)));
    format!("server = {}\nca = {}\n{device}enrolled = {used}\n", text(&seed.server), text(&seed.ca))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rest: &str) -> String {
        format!(
            "# For the boards of hall 4.\nserver = \"https://fleet:8443\"\nca = \"sha256:{}\"\n{rest}",
            "ab".repeat(32)
        )
    }

    #[test]
    fn a_seed_from_another_system_is_read() {
        let windows = format!("\u{feff}{}", text("token = \"s3cret\"\n").replace('\n', "\r\n"));
        let seed = Seed::parse(&windows).unwrap();
        assert_eq!((seed.server.as_str(), seed.token.as_deref()), ("https://fleet:8443", Some("s3cret")));
        assert!(!format!("{seed:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_wrong_is_named_and_the_token_is_not() {
        let table = [
            ("tokn = \"s3cret\"", "did you mean `token`"),
            ("token = s3cret", "cannot be read"),
            ("token = \"s3cret", "cannot be read"),
            ("token = 5318008", "cannot be read"),
            ("token = [\"s3cret\"]", "cannot be read"),
            ("token = \"s3cret\\n\"", "token is not one"),
            ("token = \"\"", "token is not one"),
        ];
        for (line, words) in table {
            let error = Seed::parse(&text(line)).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
            assert!(!error.contains("s3cret") && !error.contains("5318008"), "{line}: {error}");
        }
        assert!(Seed::parse("ca = \"x\"").unwrap_err().to_string().contains("server"));
        let clear = text("").replace("https", "http");
        assert!(Seed::parse(&clear).unwrap_err().to_string().contains("in the clear"));
        assert!(Seed::parse(&text("").replace("abab", "")).unwrap_err().to_string().contains("64 hex"));
    }

    #[test]
    fn a_seed_that_is_too_long_is_not_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.toml");
        assert!(read(&path).unwrap().is_none());
        fs::write(&path, vec![b'#'; 64 * 1024 + 1]).unwrap();
        assert!(matches!(read(&path), Err(SeedError::TooLong)));
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(&path), Err(SeedError::Shape(_))));
    }

    #[test]
    fn an_erased_token_is_nowhere_in_the_folder_and_the_rest_stays() {
        for line in [
            "token = \"s3cret\"",
            "\"token\"='s3cret'",
            "  token = \"\"\"\ns3cret\"\"\"",
            "device = \"a\"\ntoken = \"s3cret\" # s3cret",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("seed.toml");
            fs::write(&path, text(line)).unwrap();
            let seed = read(&path).unwrap().unwrap();
            assert!(seed.is_usable(), "{line}");
            erase(&path, &seed, "station-07 at 2026-01-02").unwrap();
            let left = read(&path).unwrap().unwrap();
            let expected = Seed { token: None, enrolled: Some("station-07 at 2026-01-02".into()), ..seed };
            assert_eq!(left, expected, "{line}");
            let files: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
            assert_eq!(files.len(), 1, "{files:?}");
            let now = fs::read_to_string(&path).unwrap();
            assert!(!now.contains("s3cret") && now.contains("hall 4"), "{now}");
        }
    }

    #[test]
    fn the_old_bytes_themselves_are_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("seed.toml"), folder.path().join("same"));
        fs::write(&path, text("token = \"s3cret\"\n")).unwrap();
        fs::hard_link(&path, &link).unwrap();
        let seed = read(&path).unwrap().unwrap();
        erase(&path, &seed, "a").unwrap();
        assert!(!fs::read_to_string(&link).unwrap().contains("s3cret"));
    }

    #[test]
    fn what_was_written_before_is_replaced_when_a_seed_is_used_again() {
        let old = text("enrolled = \"a at b\"\ntoken = \"s3cret\"\n");
        let seed = Seed::parse(&old).unwrap();
        let new = without_token(&old, &seed, "c at d");
        assert_eq!(Seed::parse(&new).unwrap().enrolled.as_deref(), Some("c at d"));
    }
}
