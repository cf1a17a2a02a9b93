//! What is in flight on one connection. Decides only; packet ids come from the client library.
//!
//! The library numbers publishes when it takes them out of its channel, in the order they were put in, and tells
//! each number once. Acknowledgements may come in any order. Numbers wrap: to never reuse one that is open, the
//! span between the oldest open publish and the next is limited as well as their number. Subscriptions take their
//! numbers from the same ones: nothing is published before they are granted.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// Most publishes in flight.
pub const WINDOW: usize = 32;

/// Packet ids of one connection: twice the window, so that the span limit rarely holds anything up.
pub const PACKET_IDS: u16 = 100;

/// What a publish carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cargo {
    /// The record at this position of the spool.
    Record(u64),
    /// The state, made anew when needed.
    State,
    /// The answer to a command: whoever asked may ask again.
    Reply,
}

/// Publishes handed over and not acknowledged.
#[derive(Debug)]
pub struct Flight {
    /// Handed over, not yet numbered: in order.
    handed: VecDeque<(u64, Cargo)>,
    /// Numbered: by packet id.
    numbered: HashMap<u16, (u64, Cargo)>,
    /// Ordinals of all that is open.
    open: BTreeMap<u64, ()>,
    next: u64,
    window: usize,
    span: u64,
}

impl Flight {
    /// An empty flight towards a broker that takes `receive_maximum` publishes at once.
    pub fn new(receive_maximum: u16) -> Self {
        let span = u64::from(receive_maximum.clamp(1, PACKET_IDS));
        let window = WINDOW.min(usize::from(receive_maximum.max(1)));
        Self {
            handed: VecDeque::new(),
            numbered: HashMap::new(),
            open: BTreeMap::new(),
            next: 0,
            window,
            span,
        }
    }

    /// How many more publishes may be handed over.
    pub fn room(&self) -> usize {
        let span = self.open.keys().next().map_or(0, |oldest| self.next - oldest);
        let by_span = usize::try_from(self.span.saturating_sub(span)).unwrap_or(usize::MAX);
        self.window.saturating_sub(self.open.len()).min(by_span)
    }

    /// A publish was handed to the library.
    pub fn hand(&mut self, cargo: Cargo) {
        self.open.insert(self.next, ());
        self.handed.push_back((self.next, cargo));
        self.next += 1;
    }

    /// The library gave a number to the oldest unnumbered publish.
    pub fn number(&mut self, packet_id: u16) {
        if let Some(publish) = self.handed.pop_front() {
            self.numbered.insert(packet_id, publish);
        }
    }

    /// A publish was acknowledged; what it carried.
    pub fn acknowledge(&mut self, packet_id: u16) -> Option<Cargo> {
        let (ordinal, cargo) = self.numbered.remove(&packet_id)?;
        self.open.remove(&ordinal);
        Some(cargo)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn acknowledgements_out_of_order_find_their_records() {
        let mut flight = Flight::new(u16::MAX);
        for position in [10, 11, 12] {
            flight.hand(Cargo::Record(position));
        }
        for id in [1, 2, 3] {
            flight.number(id);
        }
        assert_eq!(flight.acknowledge(3), Some(Cargo::Record(12)));
        assert_eq!(flight.acknowledge(1), Some(Cargo::Record(10)));
        assert_eq!(flight.acknowledge(1), None);
    }

    #[test]
    fn a_small_broker_is_never_overrun() {
        let mut flight = Flight::new(1);
        assert_eq!(flight.room(), 1);
        flight.hand(Cargo::State);
        assert_eq!(flight.room(), 0);
    }

    proptest! {
        /// With ids given round-robin, as the library does, no open id is ever given again.
        #[test]
        fn no_open_packet_id_is_given_twice(receive in 1_u16..200, acks in prop::collection::vec(any::<usize>(), 1..400)) {
            let ids = receive.min(PACKET_IDS);
            let mut flight = Flight::new(receive);
            let mut open: Vec<u16> = Vec::new();
            let mut next_id = 0;
            for ack in acks {
                while flight.room() > 0 {
                    flight.hand(Cargo::State);
                    next_id = next_id % ids + 1;
                    flight.number(next_id);
                    prop_assert!(!open.contains(&next_id));
                    open.push(next_id);
                }
                prop_assert!(open.len() <= WINDOW);
                let id = open.swap_remove(ack % open.len());
                prop_assert!(flight.acknowledge(id).is_some());
            }
        }
    }
}
