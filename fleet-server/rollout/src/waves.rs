//! Waves are data: how many devices, how long, and what stops them.

use serde::{Deserialize, Serialize};

/// Most waves in one rollout.
pub const MAX_WAVES: usize = 32;

/// Longest time that may be asked for, in seconds: a year.
const MAX_SECONDS: u64 = 366 * 24 * 3600;

/// Why waves cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WavesError {
    /// Not TOML, an unknown key, a missing key or a value of the wrong type.
    #[error(
        "the waves cannot be read: {0}; a file has one [[wave]] table per wave, see configs/waves/careful.toml"
    )]
    Unreadable(String),
    /// No wave, or too many.
    #[error("{0} waves are given; a rollout has 1 to {MAX_WAVES}")]
    Count(usize),
    /// A value outside what makes sense.
    #[error("wave {wave}: {key} = {value} is not possible; {cure}")]
    Value {
        /// Number of the wave, from 1.
        wave: usize,
        /// The key.
        key: &'static str,
        /// The refused value.
        value: String,
        /// What is allowed.
        cure: &'static str,
    },
}

/// One wave. Ratios are shares between 0 and 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// Share of the fleet that has the new model at the end of this wave, 0 to 100, the earlier waves included.
    pub percent: f64,
    /// How long the devices are watched before the next wave, in seconds; text such as `30s`, `10m`, `24h`.
    #[serde(rename = "soak", with = "duration")]
    pub soak_seconds: u64,
    /// At least this many devices, also where the percentage gives fewer.
    #[serde(default = "one")]
    pub min_devices: u32,
    /// Inferences by the new model that are needed before it can be judged.
    pub min_inferences: u64,
    /// Largest share of failed or rolled-back updates among the finished ones.
    pub max_failure_ratio: f64,
    /// How much worse than the control group the model may be, as a share (0.05 is five percentage points).
    pub max_health_drop: f64,
    /// How long devices may take, in seconds; those that are offline are then skipped and caught up later.
    #[serde(rename = "deadline", with = "duration", default = "a_day")]
    pub wave_deadline_seconds: u64,
}

fn one() -> u32 {
    1
}

fn a_day() -> u64 {
    24 * 3600
}

/// Waves with rising percentages that end at 100, checked once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Wave>", into = "Vec<Wave>")]
pub struct Waves(Vec<Wave>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    wave: Vec<Wave>,
}

impl Waves {
    /// Reads a file with one `[[wave]]` table per wave.
    pub fn from_toml(text: &str) -> Result<Self, WavesError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            WavesError::Unreadable(format!("{place}{}", error.message()))
        })?;
        Self::new(file.wave)
    }

    /// Checks the waves.
    pub fn new(waves: Vec<Wave>) -> Result<Self, WavesError> {
        if waves.is_empty() || waves.len() > MAX_WAVES {
            return Err(WavesError::Count(waves.len()));
        }
        let mut before = 0.0;
        let last = waves.len() - 1;
        for (index, wave) in waves.iter().enumerate() {
            let refuse =
                |key, value: String, cure| Err(WavesError::Value { wave: index + 1, key, value, cure });
            if !(wave.percent > before && wave.percent <= 100.0) {
                return refuse(
                    "percent",
                    wave.percent.to_string(),
                    "percentages rise from wave to wave, up to 100",
                );
            }
            if index == last && wave.percent < 100.0 {
                return refuse("percent", wave.percent.to_string(), "the last wave is 100");
            }
            for (key, ratio) in
                [("max_failure_ratio", wave.max_failure_ratio), ("max_health_drop", wave.max_health_drop)]
            {
                if !(0.0..=1.0).contains(&ratio) {
                    return refuse(key, ratio.to_string(), "it is a share between 0 and 1");
                }
            }
            if wave.soak_seconds > MAX_SECONDS {
                return refuse("soak", wave.soak_seconds.to_string(), "the longest is a year");
            }
            if wave.wave_deadline_seconds == 0 || wave.wave_deadline_seconds > MAX_SECONDS {
                let cure = "it is longer than nothing and at most a year";
                return refuse("deadline", wave.wave_deadline_seconds.to_string(), cure);
            }
            before = wave.percent;
        }
        Ok(Self(waves))
    }

    /// The waves in order; at least one.
    pub fn as_slice(&self) -> &[Wave] {
        &self.0
    }

    /// Number of waves.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Wave `index` from 0; the last one for an index beyond.
    pub fn get(&self, index: usize) -> &Wave {
        &self.0[index.min(self.0.len() - 1)]
    }
}

impl TryFrom<Vec<Wave>> for Waves {
    type Error = WavesError;

    fn try_from(waves: Vec<Wave>) -> Result<Self, WavesError> {
        Self::new(waves)
    }
}

impl From<Waves> for Vec<Wave> {
    fn from(waves: Waves) -> Self {
        waves.0
    }
}

/// Seconds as text: a whole number and `s`, `m`, `h` or `d`.
mod duration {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

    pub fn serialize<S: Serializer>(seconds: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        let (unit, size) = UNITS
            .into_iter()
            .find(|(_, size)| *seconds > 0 && seconds.is_multiple_of(*size))
            .unwrap_or(("s", 1));
        serializer.collect_str(&format_args!("{}{unit}", seconds / size))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            D::Error::custom(format!(
                "{shown:?} is not a time; write a whole number and s, m, h or d, such as \"10m\""
            ))
        })
    }

    fn parse(text: &str) -> Option<u64> {
        let (unit, size) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
        text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?.checked_mul(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[[wave]]\npercent = 100\nsoak = \"10m\"\nmin_inferences = 5\nmax_failure_ratio = 0.1\nmax_health_drop = 0.05\n";

    #[test]
    fn the_shipped_files_can_be_read() {
        for text in [
            include_str!("../../../configs/waves/careful.toml"),
            include_str!("../../../configs/waves/standard.toml"),
            include_str!("../../../configs/waves/quick.toml"),
        ] {
            assert!(Waves::from_toml(text).unwrap().count() >= 2);
        }
    }

    #[test]
    fn waves_read_back_as_written() {
        let waves = Waves::from_toml(ONE).unwrap();
        assert_eq!(waves.get(0).soak_seconds, 600);
        assert_eq!(waves.get(0).wave_deadline_seconds, 86_400);
        let json = serde_json::to_string(&waves).unwrap();
        assert!(json.contains(r#""soak":"10m""#), "{json}");
        assert_eq!(serde_json::from_str::<Waves>(&json).unwrap(), waves);
    }

    #[test]
    fn a_wrong_file_is_refused_with_what_to_change() {
        let cases = [
            ("", "0 waves"),
            (&ONE.replace("percent = 100", "percent = 50"), "the last wave is 100"),
            (&ONE.replace("\"10m\"", "\"10 minutes\""), "is not a time"),
            (&ONE.replace("max_failure_ratio = 0.1", "max_failure_ratio = 5"), "share between 0 and 1"),
            (&ONE.replace("soak", "sook"), "line 3"),
            (&format!("{ONE}deadline = \"0s\""), "longer than nothing"),
            (&format!("{ONE}{ONE}"), "rise from wave to wave"),
        ];
        for (text, expected) in cases {
            let error = Waves::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} should say {expected}");
        }
    }
}
