//! The clock: is it plausible, and who keeps it?

use super::Line;
use crate::clock::Keeper;

/// A clock so far behind the build is as wrong as one before it.
const FAR_MS: i64 = 30 * 366 * 86_400_000;

/// Judges the clock. `built_ms` is when this program was made: before it, it cannot be now.
pub fn time(now_ms: i64, built_ms: i64, keeper: Keeper, chip: bool) -> Line {
    let name = "time";
    let now = moment(now_ms);
    let service = "sudo apt install systemd-timesyncd (or chrony), and let the board reach a time server (UDP port 123)";
    if now_ms < built_ms || now_ms > built_ms.saturating_add(FAR_MS) {
        let way = if now_ms < built_ms { "before" } else { "30 years after" };
        return Line::failed(name, format!("{now} is {way} the day this program was built"), service);
    }
    match keeper {
        Keeper::Timesyncd => Line::ok(name, format!("{now}, set from the network by systemd-timesyncd")),
        Keeper::Chrony => Line::ok(name, format!("{now}, kept by chrony")),
        Keeper::Waiting => Line::warning(
            name,
            format!("{now}, plausible, but systemd-timesyncd has not set it yet"),
            "let the board reach a time server (UDP port 123), or name yours as NTP= in \
             /etc/systemd/timesyncd.conf",
        ),
        Keeper::Nobody => {
            let chip = if chip { "a clock chip keeps it" } else { "and there is no clock chip" };
            Line::warning(name, format!("{now}, plausible; no time service is seen, {chip}"), service)
        }
    }
}

/// A moment for people, in UTC.
pub fn moment(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).ok();
    at.map_or_else(|| format!("{ms} ms"), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn the_clock_is_a_table() {
        let built = 1_800_000_000_000;
        let table = [
            (0, Keeper::Timesyncd, Verdict::Failed, "1970-01-01 00:00:00 UTC is before the day"),
            (built + FAR_MS + 1, Keeper::Timesyncd, Verdict::Failed, "30 years after"),
            (built, Keeper::Timesyncd, Verdict::Ok, "set from the network"),
            (built, Keeper::Chrony, Verdict::Ok, "chrony"),
            (built, Keeper::Waiting, Verdict::Warning, "has not set it yet"),
            (built, Keeper::Nobody, Verdict::Warning, "no clock chip"),
        ];
        for (now, keeper, verdict, words) in table {
            let line = time(now, built, keeper, false);
            assert_eq!(line.verdict, verdict, "{line}");
            assert!(line.found.contains(words), "{line}");
        }
    }
}
