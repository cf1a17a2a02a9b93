//! `agent.toml`: one table per room. A key that no room knows is an error that names it.

use std::{fs, path::Path, path::PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::{board, identity, link, sampling, serving, source, spool, telemetry, update};

/// Where the configuration is looked for.
pub const DEFAULT_PATH: &str = "/etc/dunlin/agent.toml";

/// Configuration of the whole agent. Every key has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of identity, trust, models and spool.
    pub data_dir: PathBuf,
    /// Enrolment without hands.
    pub enrol: identity::Config,
    /// Local API and model slots.
    pub serving: serving::Config,
    /// Where rows come from.
    pub source: source::Config,
    /// Windows.
    pub telemetry: telemetry::Config,
    /// Captured inputs.
    pub sampling: sampling::Config,
    /// Queue on disk.
    pub spool: spool::Config,
    /// MQTT.
    pub link: link::Config,
    /// Model updates.
    pub update: update::Config,
    /// The board's own report.
    pub board: board::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/dunlin-agent"),
            enrol: Default::default(),
            serving: Default::default(),
            source: Default::default(),
            telemetry: Default::default(),
            sampling: Default::default(),
            spool: Default::default(),
            link: Default::default(),
            update: Default::default(),
            board: Default::default(),
        }
    }
}

impl Config {
    /// Reads a file. Without a `path` the default place is read, and defaults hold where nothing is there.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        match fs::read_to_string(file) {
            Ok(text) => {
                Self::parse(&text).with_context(|| format!("configuration {} is not usable", file.display()))
            }
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(error) => Err(error).with_context(|| {
                format!("configuration {} cannot be read; name another with --config", file.display())
            }),
        }
    }

    /// Reads TOML text.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| explain(&error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        let positive = [
            ("telemetry.window_seconds", self.telemetry.window_seconds),
            ("link.keep_alive_seconds", u64::from(self.link.keep_alive_seconds)),
            ("link.report_seconds", self.link.report_seconds),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            bail!("{key} = 0 cannot work; give at least 1");
        }
        if self.spool.limit_bytes < spool::MIN_LIMIT {
            bail!(
                "spool.limit_bytes = {} is too small to keep anything; give at least {}",
                self.spool.limit_bytes,
                spool::MIN_LIMIT
            );
        }
        self.source.check()
    }
}

/// Adds "did you mean" to serde's message about an unknown key.
pub(crate) fn explain(message: &str) -> anyhow::Error {
    let Some((_, after)) = message.split_once("unknown field `") else {
        return anyhow::anyhow!("{}", message.trim_end());
    };
    let (key, rest) = after.split_once('`').unwrap_or((after, ""));
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let closest = known.iter().map(|name| (distance(key, name), *name)).min();
    let hint = match closest {
        Some((d, name)) if d <= 1 + key.len() / 3 => format!("did you mean `{name}`?"),
        _ => format!("known here: {}", known.join(", ")),
    };
    let place = message.lines().next().unwrap_or_default();
    anyhow::anyhow!("{place}: unknown key `{key}`; {hint}")
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named_with_the_one_that_was_meant() {
        let error = format!("{:#}", Config::parse("[telemetry]\nwindow_second = 5\n").unwrap_err());
        assert!(error.contains("`window_second`"), "{error}");
        assert!(error.contains("did you mean `window_seconds`"), "{error}");
        let error = format!("{:#}", Config::parse("[nothing_like_it]\n").unwrap_err());
        assert!(error.contains("known here") && error.contains("telemetry"), "{error}");
    }

    #[test]
    fn the_commented_example_is_the_defaults() {
        let text = include_str!("../../../configs/agent.toml");
        assert_eq!(Config::parse(text).unwrap(), Config::default());
        let whole = toml::Table::try_from(Config::default()).unwrap();
        for (table, keys) in whole.iter().filter_map(|(name, value)| Some((name, value.as_table()?))) {
            for key in keys.keys() {
                assert!(text.contains(&format!("\n{key} = ")), "{table}.{key} is not in the example");
            }
        }
    }

    #[test]
    fn a_window_of_no_length_is_refused() {
        let error = Config::parse("[telemetry]\nwindow_seconds = 0\n").unwrap_err().to_string();
        assert!(error.contains("telemetry.window_seconds"), "{error}");
    }
}
