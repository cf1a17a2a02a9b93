//! Sensors broken on purpose: a pure change of rows, for the simulator and for tests.

use std::collections::HashMap;

use dunlin_runtime::rows::Row;
use serde::{Deserialize, Serialize};

/// What is wrong with a sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// It gives one value for ever: `value`, or the one it gave last.
    Stuck,
    /// It gives another unit: times `value`; without one, Celsius for Fahrenheit.
    Unit,
    /// It is off by `value`, reached within `over_rows`.
    Drift,
}

/// A scripted sensor fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// The column it shows in.
    pub column: String,
    /// What is wrong.
    pub kind: FaultKind,
    /// How far; see [`FaultKind`].
    #[serde(default)]
    pub value: Option<f64>,
    /// First row it shows in, counted from the start of the agent.
    #[serde(default)]
    pub at_row: u64,
    /// Rows until a drift is complete; 0 is at once.
    #[serde(default)]
    pub over_rows: u64,
}

/// Applies faults, remembering what stuck sensors last gave.
#[derive(Debug, Default)]
pub struct Faults {
    stuck: HashMap<String, String>,
}

impl Faults {
    /// The row as the broken sensors give it; `number` counts rows from the start of the agent.
    pub fn apply(&mut self, faults: &[Fault], number: u64, row: Row) -> Row {
        self.stuck.retain(|column, _| faults.iter().any(|fault| fault.column == *column));
        if !faults.iter().any(|fault| number >= fault.at_row) {
            return row;
        }
        let line = row.line;
        let cells = row.pairs().map(|(column, cell)| {
            let active = faults.iter().filter(|fault| fault.column == column && number >= fault.at_row);
            let bent = active.fold(cell.to_owned(), |cell, fault| self.bend(fault, number, &cell));
            (column.to_owned(), bent)
        });
        let cells: Vec<_> = cells.collect();
        Row::from_pairs(line, cells)
    }

    fn bend(&mut self, fault: &Fault, number: u64, cell: &str) -> String {
        if fault.kind == FaultKind::Stuck {
            let first = || fault.value.map_or_else(|| cell.to_owned(), |value| value.to_string());
            return self.stuck.entry(fault.column.clone()).or_insert_with(first).clone();
        }
        let Ok(x) = cell.trim().parse::<f64>() else { return cell.to_owned() };
        let bent = match (fault.kind, fault.value) {
            (FaultKind::Unit, Some(factor)) => x * factor,
            (FaultKind::Unit, None) => (x - 32.0) / 1.8,
            (_, offset) => {
                let share = match fault.over_rows {
                    0 => 1.0,
                    rows => ((number - fault.at_row + 1) as f64 / rows as f64).min(1.0),
                };
                x + offset.unwrap_or(0.0) * share
            }
        };
        format!("{}", (bent * 1e6).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: FaultKind, value: Option<f64>, at_row: u64, over_rows: u64) -> Vec<Fault> {
        vec![Fault { column: "t".into(), kind, value, at_row, over_rows }]
    }

    fn row(t: &str) -> Row {
        Row::from_pairs(1, [("t", t), ("other", "7")])
    }

    #[test]
    fn a_stuck_sensor_repeats_its_last_value_and_recovers() {
        let (mut faults, stuck) = (Faults::default(), fault(FaultKind::Stuck, None, 2, 0));
        let given: Vec<String> = (0..5)
            .map(|n| faults.apply(&stuck, n, row(&n.to_string())).get("t").unwrap().to_owned())
            .collect();
        assert_eq!(given, ["0", "1", "2", "2", "2"]);
        assert_eq!(faults.apply(&[], 5, row("5")).get("t"), Some("5"));
    }

    #[test]
    fn a_drift_grows_and_other_columns_stay() {
        let (mut faults, drift) = (Faults::default(), fault(FaultKind::Drift, Some(10.0), 0, 4));
        let at = |faults: &mut Faults, n| faults.apply(&drift, n, row("1")).get("t").unwrap().to_owned();
        assert_eq!([at(&mut faults, 0), at(&mut faults, 3), at(&mut faults, 9)], ["3.5", "11", "11"]);
        assert_eq!(faults.apply(&drift, 0, row("1")).get("other"), Some("7"));
    }

    #[test]
    fn another_unit_is_celsius_unless_a_factor_is_given() {
        let mut faults = Faults::default();
        assert_eq!(faults.apply(&fault(FaultKind::Unit, None, 0, 0), 0, row("212")).get("t"), Some("100"));
        assert_eq!(faults.apply(&fault(FaultKind::Unit, Some(0.5), 0, 0), 0, row("3")).get("t"), Some("1.5"));
        assert_eq!(faults.apply(&fault(FaultKind::Unit, None, 0, 0), 0, row("")).get("t"), Some(""));
    }
}
