//! Fifty years of daily readings, cut for the demo.

use std::{fs, path::Path};

/// NOAA's readings of one weather station, public domain; see `tests/data/README.md`.
const READINGS: &str = include_str!("../../../../tests/data/weather_station.csv");

/// Days the first model learns from: the first fourteen years.
const FIRST_DAYS: usize = 5_000;

/// Days the second model learns from: those and the next ten years.
const NEWER_DAYS: usize = 9_000;

/// Writes `first.csv`, `newer.csv`, `inverted.csv` (the answers swapped) and `stations.csv` (what stations replay).
pub fn write(dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    let mut lines = READINGS.lines();
    let heading = lines.next().unwrap_or_default();
    let days: Vec<&str> = lines.collect();
    let table = |days: &[&str]| format!("{heading}\n{}\n", days.join("\n"));
    fs::write(dir.join("first.csv"), table(&days[..FIRST_DAYS]))?;
    fs::write(dir.join("newer.csv"), table(&days[..NEWER_DAYS]))?;
    fs::write(dir.join("stations.csv"), table(&days[FIRST_DAYS..]))?;
    let inverted: Vec<String> = days[..NEWER_DAYS].iter().map(|day| invert(day)).collect();
    fs::write(dir.join("inverted.csv"), format!("{heading}\n{}\n", inverted.join("\n")))?;
    Ok(())
}

/// Swaps the label, the last column.
fn invert(day: &str) -> String {
    match day.rsplit_once(',') {
        Some((readings, "0")) => format!("{readings},1"),
        Some((readings, "1")) => format!("{readings},0"),
        _ => day.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverted_table_differs_in_every_label_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let (right, wrong) = (read("newer.csv"), read("inverted.csv"));
        assert_eq!(right.lines().count(), NEWER_DAYS + 1);
        for (a, b) in right.lines().zip(wrong.lines()).skip(1) {
            let ((readings_a, label_a), (readings_b, label_b)) =
                (a.rsplit_once(',').unwrap(), b.rsplit_once(',').unwrap());
            assert_eq!(readings_a, readings_b);
            assert_ne!(label_a, label_b);
        }
        assert!(read("stations.csv").lines().count() > 13_000);
    }
}
