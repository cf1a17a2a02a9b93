//! Whether the processor is held back: by heat, by a weak supply, or by a setting. Parses what the kernel shows.
//!
//! A Raspberry Pi's firmware says it itself. Elsewhere a frequency below the highest, or a cooling device of the
//! processor at work, says it; a fan that turns says nothing.

use std::{fs, path::Path};

/// What holds the processor back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Throttle {
    /// It runs slower than it could.
    pub throttled: bool,
    /// The supply's voltage is too low.
    pub under_voltage: bool,
    /// It ran slower at some time since the board started.
    pub was_throttled: bool,
    /// The voltage was too low at some time since the board started.
    pub was_under_voltage: bool,
}

/// Reads it below `root`, which is `/` on a board; `None` where the kernel shows nothing of it.
pub fn read(root: &Path) -> Option<Throttle> {
    let firmware = root.join("sys/devices/platform/soc/soc:firmware/get_throttled");
    if let Some(bits) = fs::read_to_string(firmware).ok().as_deref().and_then(bits) {
        return Some(from_bits(bits));
    }
    let capped = folders(root, "sys/devices/system/cpu/cpufreq", "policy").filter_map(|policy| {
        Some(number(&policy.join("scaling_max_freq"))? < number(&policy.join("cpuinfo_max_freq"))?)
    });
    let cooled = folders(root, "sys/class/thermal", "cooling_device").filter_map(|device| {
        let kind = fs::read_to_string(device.join("type")).ok()?;
        slows_the_processor(kind.trim()).then_some(number(&device.join("cur_state"))? > 0)
    });
    let seen: Vec<bool> = capped.chain(cooled).collect();
    let throttled = seen.contains(&true);
    (!seen.is_empty()).then_some(Throttle { throttled, ..Throttle::default() })
}

/// The firmware's word, a hexadecimal number with or without `throttled=` and `0x` before it.
fn bits(text: &str) -> Option<u32> {
    let digits = text.trim().trim_start_matches("throttled=").trim_start_matches("0x");
    u32::from_str_radix(digits, 16).ok()
}

/// Bits as the firmware's documentation of `get_throttled` gives them: 0 to 3 now, 16 to 19 since the start; under-voltage,
/// frequency capped, throttled, soft temperature limit.
fn from_bits(bits: u32) -> Throttle {
    let (now, since) = (bits & 0xf, (bits >> 16) & 0xf);
    Throttle {
        under_voltage: now & 1 != 0,
        throttled: now & 0b1110 != 0,
        was_under_voltage: since & 1 != 0,
        was_throttled: since & 0b1110 != 0,
    }
}

fn slows_the_processor(kind: &str) -> bool {
    kind == "Processor" || kind.contains("cpufreq")
}

fn folders(root: &Path, parent: &str, prefix: &'static str) -> impl Iterator<Item = std::path::PathBuf> {
    let entries = fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
    let named = entries.filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix));
    named.map(|entry| entry.path())
}

fn number(path: &Path) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::tree;

    #[test]
    fn the_firmware_of_a_raspberry_pi_is_believed() {
        let path = "sys/devices/platform/soc/soc:firmware/get_throttled";
        let table = [
            ("0\n", Throttle::default()),
            (
                "50005\n",
                Throttle {
                    throttled: true,
                    under_voltage: true,
                    was_throttled: true,
                    was_under_voltage: true,
                },
            ),
            (
                "throttled=0x50000",
                Throttle { was_throttled: true, was_under_voltage: true, ..Default::default() },
            ),
            ("0x1", Throttle { under_voltage: true, ..Default::default() }),
            ("8", Throttle { throttled: true, ..Default::default() }),
        ];
        for (text, expected) in table {
            let root = tree(&[(path, text)]);
            assert_eq!(read(root.path()), Some(expected), "{text:?}");
        }
        assert_eq!(read(tree(&[(path, "no number")]).path()), None);
    }

    #[test]
    fn a_frequency_below_the_highest_is_throttled() {
        let policy = |max| {
            tree(&[
                ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1800000\n"),
                ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", max),
            ])
        };
        assert_eq!(read(policy("1800000\n").path()), Some(Throttle::default()));
        assert!(read(policy("600000\n").path()).unwrap().throttled);
    }

    #[test]
    fn a_fan_that_turns_is_not_throttling() {
        let cooling = |kind, state| {
            tree(&[
                ("sys/class/thermal/cooling_device0/type", kind),
                ("sys/class/thermal/cooling_device0/cur_state", state),
            ])
        };
        assert_eq!(read(cooling("pwm-fan\n", "3\n").path()), None);
        assert!(read(cooling("cpufreq-cpu0\n", "2\n").path()).unwrap().throttled);
        assert!(!read(cooling("Processor\n", "0\n").path()).unwrap().throttled);
    }

    #[test]
    fn a_kernel_that_shows_nothing_is_no_verdict() {
        assert_eq!(read(tree(&[]).path()), None);
    }
}
