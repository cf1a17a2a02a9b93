//! Breaking sensors: lines on standard input, or a scenario file.
//!
//! ```text
//! fault STATION KIND COLUMN [VALUE]     KIND: stuck, unit, drift
//! mend STATION                          every sensor of the station is well again
//! ```

use std::str::FromStr;

use anyhow::{Context, bail};
use dunlin_agent::source::faults::{Fault, FaultKind};
use serde::Deserialize;

/// Something that happens to a station; stations count from 1.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A sensor breaks.
    Break {
        /// The station.
        station: usize,
        /// How.
        fault: Fault,
    },
    /// Its sensors are well again.
    Mend {
        /// The station.
        station: usize,
    },
}

impl Step {
    /// The station it happens to.
    pub fn station(&self) -> usize {
        match self {
            Step::Break { station, .. } | Step::Mend { station } => *station,
        }
    }
}

impl FromStr for Step {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let station = |word: &str| {
            word.parse()
                .with_context(|| format!("{word:?} is not the number of a station; they count from 1"))
        };
        match words[..] {
            ["fault", number, kind, column] => step(station(number)?, kind, column, None),
            ["fault", number, kind, column, value] => {
                let value = value.parse().with_context(|| format!("{value:?} is not a number"))?;
                step(station(number)?, kind, column, Some(value))
            }
            ["mend", number] => Ok(Step::Mend { station: station(number)? }),
            _ => bail!("{line:?} is not understood; write `fault 3 stuck COLUMN [VALUE]` or `mend 3`"),
        }
    }
}

fn step(station: usize, kind: &str, column: &str, value: Option<f64>) -> anyhow::Result<Step> {
    let kind = match kind {
        "stuck" => FaultKind::Stuck,
        "unit" => FaultKind::Unit,
        "drift" if value.is_some() => FaultKind::Drift,
        "drift" => bail!("a drift needs to know how far: `fault {station} drift {column} VALUE`"),
        other => bail!("{other:?} is no kind of fault; there are stuck, unit and drift"),
    };
    Ok(Step::Break {
        station,
        fault: Fault { column: column.to_owned(), kind, value, at_row: 0, over_rows: 0 },
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    #[serde(default)]
    fault: Vec<Scripted>,
}

#[derive(Deserialize)]
struct Scripted {
    station: usize,
    #[serde(flatten)]
    fault: Fault,
}

/// Reads a scenario: `[[fault]]` tables with `station`, `column`, `kind`, and optionally `value`, `at_row`, `over_rows`.
pub fn scenario(text: &str) -> anyhow::Result<Vec<Step>> {
    let scenario: Scenario = toml::from_str(text).context("the scenario is not usable")?;
    Ok(scenario.fault.into_iter().map(|one| Step::Break { station: one.station, fault: one.fault }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_wrong_ones_say_what_is_wrong() {
        let step: Step = "fault 3 stuck dew_point_f".parse().unwrap();
        assert!(matches!(step, Step::Break { station: 3, ref fault } if fault.kind == FaultKind::Stuck));
        assert_eq!("mend 3".parse::<Step>().unwrap(), Step::Mend { station: 3 });
        for (line, word) in [
            ("fault x stuck a", "station"),
            ("fault 1 odd a", "odd"),
            ("fault 1 drift a", "how far"),
            ("x", "understood"),
        ] {
            let error = line.parse::<Step>().unwrap_err().to_string();
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn a_scenario_is_the_same_in_a_file() {
        let text = "[[fault]]\nstation = 2\ncolumn = \"temperature_f\"\nkind = \"drift\"\nvalue = 5.0\nat_row = 100\nover_rows = 50\n";
        let steps = scenario(text).unwrap();
        assert!(matches!(&steps[..], [Step::Break { station: 2, fault }] if fault.over_rows == 50));
        assert!(scenario("[[flaut]]\n").is_err());
    }
}
