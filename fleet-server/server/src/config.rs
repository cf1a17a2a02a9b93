//! `server.toml`: every key has a default; a key that does not exist is an error with a suggestion.

use std::{net::IpAddr, path::Path};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// All settings. Each room owns its part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTPS listener.
    pub http: Http,
    /// The MQTT listener.
    pub mqtt: crate::broker::Config,
    /// Tokens, sessions, certificates.
    pub access: crate::access::Config,
    /// How long records are kept.
    pub storage: crate::storage::Config,
    /// The child process that judges models.
    pub probe: crate::registry::Config,
}

/// The HTTPS listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address to listen on.
    pub listen: IpAddr,
    /// Port; 0 takes any that is free.
    pub port: u16,
    /// False for plain HTTP behind a proxy that ends TLS.
    pub tls: bool,
    /// What people and devices type to reach this server, for example `fleet.example.org`.
    pub host: String,
    /// Further names and addresses that the server's certificate is for.
    pub names: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: IpAddr::from([0, 0, 0, 0]),
            port: 8443,
            tls: true,
            host: "localhost".into(),
            names: vec![],
        }
    }
}

impl Config {
    /// Reads a file. Errors name the line and, for a key that does not exist, the one that was probably meant.
    ///
    /// # Errors
    /// If the file cannot be read or does not hold settings.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("cannot read {}; make a server folder with `dunlin-server init FOLDER`", path.display())
        })?;
        Self::parse(&text).with_context(|| format!("settings in {}", path.display()))
    }

    /// Reads settings from text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        match toml::from_str(text) {
            Ok(config) => Ok(config),
            Err(error) => match suggestion(error.message()) {
                Some(meant) => bail!("{error}did you mean `{meant}`?"),
                None => bail!("{error}"),
            },
        }
    }
}

/// Of the names that an "unknown field" message expects, the one nearest to the name found.
fn suggestion(message: &str) -> Option<&str> {
    let mut names = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let found = names.next()?;
    names.map(|name| (distance(found, name), name)).filter(|(d, _)| *d <= 3).min().map(|(_, name)| name)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_example_equals_the_defaults_and_names_every_key() {
        let text = include_str!("../../../configs/server.toml");
        assert_eq!(Config::parse(text).unwrap(), Config::default());
        let every = toml::to_string(&Config::default()).unwrap();
        for line in every.lines().filter(|line| !line.is_empty()) {
            let name = line.split(" = ").next().unwrap();
            assert!(text.lines().any(|there| there.starts_with(name)), "{name} is missing in the example");
        }
    }

    #[test]
    fn a_key_with_a_typo_gets_the_one_that_was_meant() {
        let error = Config::parse("[http]\nprot = 1\n").unwrap_err().to_string();
        assert!(error.contains("did you mean `port`?"), "{error}");
        assert!(error.contains("line 2"), "{error}");
        let error = Config::parse("[htpp]\n").unwrap_err().to_string();
        assert!(error.contains("did you mean `http`?"), "{error}");
    }
}
