//! The time floor: a clock that was reset is never believed below what is known to have passed.
//!
//! Boards without a battery start in 1970, and a thief of time would make expired metadata look fresh. So the
//! time that counts is the latest of the board's clock, the time this program was built, the time saved after
//! the last refresh, and the newest time signed by the repository. Plain values in and out; no clock is read.

use std::time::Duration;

use jiff::Timestamp;

/// When this crate was compiled, or `SOURCE_DATE_EPOCH` if that was set for a reproducible build.
pub fn build_time() -> Timestamp {
    env!("DUNLIN_BUILD_TIME")
        .parse::<i64>()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The time to judge expiry by: `now`, but never before `floor` or `built`.
pub(crate) fn effective(now: Timestamp, floor: Timestamp, built: Timestamp) -> Timestamp {
    now.max(floor).max(built)
}

/// The floor after a refresh that was accepted at `now`; never below `floor`.
///
/// `signed` is the time that the timestamp role claims to have been made at. Its key is online, so its word is
/// taken only up to `ceiling`, the earliest expiry of root and targets: a stolen online key cannot push the
/// floor past what the owner's offline keys have signed, and later metadata always ends the trouble.
pub(crate) fn raise(
    floor: Timestamp,
    now: Timestamp,
    signed: Option<Timestamp>,
    ceiling: Timestamp,
) -> Timestamp {
    let signed = signed.map_or(floor, |time| time.min(ceiling));
    floor.max(now).max(signed)
}

/// How far the floor must move before it is written again, so that flash memory is spared.
pub(crate) const SAVE_STEP: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_clock_in_1970_is_lifted_to_the_latest_known_time() {
        assert_eq!(effective(at(0), at(500), at(300)), at(500));
        assert_eq!(effective(at(0), at(0), at(300)), at(300));
        assert_eq!(effective(at(900), at(500), at(300)), at(900));
    }

    #[test]
    fn a_signed_time_beyond_what_the_owner_signed_is_cut_off() {
        assert_eq!(raise(at(10), at(20), Some(at(9_999)), at(100)), at(100));
        assert_eq!(raise(at(10), at(20), Some(at(50)), at(100)), at(50));
    }

    #[test]
    fn this_crate_knows_when_it_was_built() {
        assert!(build_time() > at(1_700_000_000));
    }

    proptest! {
        #[test]
        fn the_floor_never_falls(floor in 0i64..1 << 37, now in 0i64..1 << 37,
                                 signed in proptest::option::of(0i64..1 << 37), ceiling in 0i64..1 << 37) {
            let signed = signed.map(at);
            prop_assert!(raise(at(floor), at(now), signed, at(ceiling)) >= at(floor));
        }
    }
}
