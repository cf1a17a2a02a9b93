//! The board: memory, heat and supply.

use std::{fs, path::Path};

use super::Line;
use crate::board::throttle::Throttle;

const MB: f64 = 1e6;
/// What the agent needs to load a small model, bytes.
const LEAST: u64 = 32 << 20;
/// What leaves room for a second model during an update, bytes.
const COMFORT: u64 = 64 << 20;
/// Where boards begin to slow down, degrees Celsius.
const HOT: f32 = 80.0;
/// Where chips are damaged or stop, degrees Celsius.
const TOO_HOT: f32 = 95.0;

/// Memory that can be had, bytes, from `/proc/meminfo` below `root`.
pub fn available(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Judges what can be had, and what the service may have.
pub fn memory(available: Option<u64>, limit: Option<u64>) -> Line {
    let name = "memory";
    let Some(available) = available else { return Line::skipped(name, "the kernel does not tell") };
    let mut found = format!("{:.0} MB can be had", available as f64 / MB);
    if let Some(limit) = limit {
        found += &format!(", the service may use {:.0} MB", limit as f64 / MB);
    }
    if limit.is_some_and(|limit| limit < LEAST) {
        let cure = "raise MemoryMax= of the service: sudo systemctl edit dunlin-agent";
        return Line::failed(name, found, cure);
    }
    let cure = "end what else uses memory; to see it: ps -eo rss,comm --sort=-rss | head";
    match available {
        few if few < LEAST => Line::failed(name, found, cure),
        few if few < COMFORT => Line::warning(name, found, cure),
        _ => Line::ok(name, found),
    }
}

/// Judges the hottest sensor.
pub fn temperature(hottest: Option<f32>) -> Line {
    let name = "temperature";
    let Some(degrees) = hottest else { return Line::skipped(name, "there is no sensor") };
    let found = format!("{degrees:.0} °C at the hottest sensor");
    match degrees {
        hot if hot >= TOO_HOT => Line::failed(name, found, "switch the board off and see to its cooling"),
        hot if hot >= HOT => Line::warning(name, found, "give the board a heat sink or a fan, or more air"),
        _ => Line::ok(name, found),
    }
}

/// Judges what holds the processor back.
pub fn throttling(throttle: Option<Throttle>) -> Line {
    let name = "throttling";
    let Some(throttle) = throttle else { return Line::skipped(name, "the kernel shows nothing of it") };
    let supply =
        "use the supply and the cable that were made for the board; to see it again: vcgencmd get_throttled";
    let cooling =
        "give the board a heat sink or a fan, and see what limits it: cat /sys/class/thermal/*/type";
    if throttle.under_voltage {
        Line::failed(name, "the supply's voltage is too low now: the board may stop or lose data", supply)
    } else if throttle.throttled {
        Line::warning(name, "the processor is held below its full speed now", cooling)
    } else if throttle.was_under_voltage {
        Line::warning(name, "the supply's voltage was too low since the board started", supply)
    } else if throttle.was_throttled {
        Line::warning(name, "the processor was held below its full speed since the board started", cooling)
    } else {
        Line::ok(name, "none")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{board::tests::tree, doctor::Verdict};

    #[test]
    fn memory_is_the_kernels_and_the_services() {
        let text = "MemTotal:  948304 kB\nMemFree:  1000 kB\nMemAvailable:  204800 kB\n";
        let available = available(tree(&[("proc/meminfo", text)]).path());
        assert_eq!(available, Some(200 << 20));
        assert_eq!(memory(available, None), Line::ok("memory", "210 MB can be had"));
        assert_eq!(memory(available, Some(16 << 20)).verdict, Verdict::Failed);
        assert_eq!(memory(Some(40 << 20), Some(128 << 20)).verdict, Verdict::Warning);
        assert_eq!(memory(Some(1 << 20), None).verdict, Verdict::Failed);
        assert_eq!(memory(None, None).verdict, Verdict::Skipped);
    }

    #[test]
    fn heat_is_a_table() {
        let table = [
            (None, Verdict::Skipped),
            (Some(45.0), Verdict::Ok),
            (Some(80.0), Verdict::Warning),
            (Some(99.0), Verdict::Failed),
        ];
        for (degrees, verdict) in table {
            assert_eq!(temperature(degrees).verdict, verdict, "{degrees:?}");
        }
    }

    #[test]
    fn a_weak_supply_is_worse_than_heat_and_now_worse_than_once() {
        let none = Throttle::default();
        let table = [
            (none, Verdict::Ok, "none"),
            (
                Throttle { under_voltage: true, throttled: true, ..none },
                Verdict::Failed,
                "voltage is too low",
            ),
            (
                Throttle { throttled: true, was_under_voltage: true, ..none },
                Verdict::Warning,
                "full speed now",
            ),
            (
                Throttle { was_under_voltage: true, was_throttled: true, ..none },
                Verdict::Warning,
                "voltage was",
            ),
            (Throttle { was_throttled: true, ..none }, Verdict::Warning, "was held"),
        ];
        for (throttle, verdict, words) in table {
            let line = throttling(Some(throttle));
            assert_eq!(line.verdict, verdict, "{line}");
            assert!(line.found.contains(words), "{line}");
        }
        assert_eq!(throttling(None).verdict, Verdict::Skipped);
    }
}
