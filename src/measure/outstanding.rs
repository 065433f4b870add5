//! One client's requests that are owed a reply, found by their number.
//!
//! Replies mostly come back in the order of the requests, so the exchanges live in a ring indexed by the low bits of
//! the request's number. A request whose place is needed by a much later one (it was lost, or its worker is slow)
//! moves to a map. Invariant: memory follows the number of exchanges held, not the length of the run.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// A ring never grows beyond this many places: a client with more in the air pays for the map instead.
const LARGEST_RING: usize = 1 << 20;

/// A request on its way, and what has come back for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The request's number at its client.
    pub request: u64,
    /// When the plan wanted it to leave; nanoseconds from the plan's start, as all instants here.
    pub intended_ns: u64,
    /// When it left.
    pub sent_ns: u64,
    /// Replies it is owed; at least one.
    pub owed: u32,
    /// Replies that came.
    pub received: u32,
    /// Whether its client has stopped waiting: what still comes is late.
    pub given_up: bool,
    /// Where its way is followed, if it is in the sample.
    pub track: Option<NonZeroU32>,
}

/// The exchanges of one client.
#[derive(Debug, Default)]
pub struct Outstanding {
    /// A power of two of places, or none.
    ring: Vec<Option<Exchange>>,
    /// Exchanges in the ring.
    in_ring: usize,
    strays: BTreeMap<u64, Exchange>,
}

impl Outstanding {
    /// Begins an exchange.
    #[inline]
    pub fn insert(&mut self, exchange: Exchange) {
        if self.in_ring * 2 >= self.ring.len() && self.ring.len() < LARGEST_RING {
            self.grow();
        }
        let index = self.index(exchange.request);
        match self.ring[index].replace(exchange) {
            None => self.in_ring += 1,
            Some(older) => {
                self.strays.insert(older.request, older);
            }
        }
    }

    /// The exchange of `request`, if it is not over.
    #[inline]
    pub fn get_mut(&mut self, request: u64) -> Option<&mut Exchange> {
        if self.ring.is_empty() {
            return None;
        }
        let index = self.index(request);
        match &mut self.ring[index] {
            Some(exchange) if exchange.request == request => self.ring[index].as_mut(),
            _ => self.strays.get_mut(&request),
        }
    }

    /// Ends the exchange of `request`.
    #[inline]
    pub fn remove(&mut self, request: u64) {
        let index = self.index(request);
        match &self.ring[index] {
            Some(exchange) if exchange.request == request => {
                self.ring[index] = None;
                self.in_ring -= 1;
            }
            _ => {
                self.strays.remove(&request);
            }
        }
    }

    /// Every exchange, in no particular order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.ring.iter_mut().flatten().chain(self.strays.values_mut())
    }

    /// Whether no exchange is held.
    pub fn is_empty(&self) -> bool {
        self.in_ring == 0 && self.strays.is_empty()
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
    fn index(&self, request: u64) -> usize {
        request as usize & (self.ring.len() - 1)
    }

    /// Doubles the ring. Two exchanges that shared no place before share none after.
    fn grow(&mut self) {
        let places = (self.ring.len() * 2).max(2);
        let old = std::mem::replace(&mut self.ring, vec![None; places]);
        for exchange in old.into_iter().flatten() {
            let index = self.index(exchange.request);
            self.ring[index] = Some(exchange);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exchange(request: u64) -> Exchange {
        Exchange {
            request,
            intended_ns: 0,
            sent_ns: request,
            owed: 1,
            received: 0,
            given_up: false,
            track: None,
        }
    }

    proptest! {
        // Requests begin in order and end in any order, some never: the ring must behave as a plain map does.
        #[test]
        fn behaves_as_a_map(ends in prop::collection::vec(prop::option::weighted(0.9, 0..40_usize), 1..400)) {
            let mut outstanding = Outstanding::default();
            let mut model = BTreeMap::new();
            for (request, end) in (0..).zip(ends) {
                outstanding.insert(exchange(request));
                model.insert(request, exchange(request));
                if let Some(back) = end {
                    let ended = model.keys().rev().nth(back).copied();
                    if let Some(ended) = ended {
                        prop_assert_eq!(outstanding.get_mut(ended).copied(), model.remove(&ended));
                        outstanding.remove(ended);
                    }
                }
                let mut held: Vec<u64> = outstanding.iter_mut().map(|exchange| exchange.request).collect();
                held.sort_unstable();
                prop_assert!(held.iter().eq(model.keys()));
                prop_assert_eq!(outstanding.is_empty(), model.is_empty());
            }
            prop_assert_eq!(outstanding.get_mut(1_000_000), None);
        }
    }

    #[test]
    fn a_lost_request_does_not_make_the_ring_grow() {
        let mut outstanding = Outstanding::default();
        outstanding.insert(exchange(0));
        for request in 1..100_000 {
            outstanding.insert(exchange(request));
            outstanding.remove(request);
        }
        assert!(outstanding.ring.len() <= 8, "{}", outstanding.ring.len());
        assert_eq!(outstanding.get_mut(0).copied(), Some(exchange(0)));
    }
}
