//! Patience with wrong tokens: a few per address and minute. Pure, `now` is an argument.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

const MINUTE: Duration = Duration::from_secs(60);
/// Addresses that are remembered; beyond that, those of the past minute only.
const MAX_ADDRESSES: usize = 10_000;

/// Counts wrong tokens.
#[derive(Debug)]
pub struct Limit {
    per_minute: u32,
    seen: HashMap<IpAddr, (Instant, u32)>,
}

impl Limit {
    /// Allows `per_minute` wrong tokens of one address.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, seen: HashMap::new() }
    }

    /// Whether the address may try.
    pub fn allows(&self, address: IpAddr, now: Instant) -> bool {
        self.seen.get(&address).is_none_or(|(since, count)| {
            now.saturating_duration_since(*since) >= MINUTE || *count < self.per_minute
        })
    }

    /// Counts a wrong token.
    pub fn wrong(&mut self, address: IpAddr, now: Instant) {
        if self.seen.len() >= MAX_ADDRESSES {
            self.seen.retain(|_, (since, _)| now.saturating_duration_since(*since) < MINUTE);
        }
        let entry = self.seen.entry(address).or_insert((now, 0));
        if now.saturating_duration_since(entry.0) >= MINUTE {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_guesses_is_stopped_for_a_minute_and_others_are_not() {
        let (guesser, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let start = Instant::now();
        let mut limit = Limit::new(3);
        for _ in 0..3 {
            assert!(limit.allows(guesser, start));
            limit.wrong(guesser, start);
        }
        assert!(!limit.allows(guesser, start));
        assert!(limit.allows(other, start));
        assert!(limit.allows(guesser, start + MINUTE));
    }
}
