//! Which rows each station replays.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, bail};

/// Rows of daily readings that one station has: eight years.
const SPAN: u64 = 8 * 365;

/// Rows in a table, without its heading.
pub fn count(file: &Path) -> anyhow::Result<u64> {
    let reading = || format!("cannot read {}; name a CSV file with --data", file.display());
    let mut lines = 0_u64;
    for line in BufReader::new(File::open(file).with_context(reading)?).lines() {
        lines += u64::from(!line.with_context(reading)?.is_empty());
    }
    if lines < 2 {
        bail!("{} has a heading at most and no rows", file.display());
    }
    Ok(lines - 1)
}

/// The rows `[from, to)` of one station among `stations`: spread over the table, overlapping where they must.
pub fn of(station: u64, stations: u64, rows: u64) -> (u64, u64) {
    let span = SPAN.min(rows);
    let from = (rows - span) * station / stations.saturating_sub(1).max(1);
    (from.min(rows - span), from.min(rows - span) + span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_lie_inside_the_table_and_reach_both_ends() {
        for (stations, rows) in [(1, 10), (24, 13_159), (200, 500), (3, 1)] {
            let slices: Vec<_> = (0..stations).map(|k| of(k, stations, rows)).collect();
            assert!(slices.iter().all(|(from, to)| from < to && *to <= rows), "{slices:?}");
            assert_eq!(slices[0].0, 0);
            if stations > 1 {
                assert_eq!(slices.last().unwrap().1, rows);
            }
        }
    }
}
