//! One client's requests that expect a reply, found by their number.
//!
//! Replies mostly come back in the order of the requests, so the exchanges live in a ring indexed by the low bits of
//! the request's number. A request whose place is needed by a much later one (it was lost, or its worker is slow)
//! moves to a map. A request that is given up leaves, and only its number stays, for a while: see [`Outstanding::late`].
//! Invariant: memory follows the number of exchanges held, not the length of the run.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

/// A ring never grows beyond this many places: a client with more in flight pays for the map instead.
const LARGEST_RING: usize = 1 << 20;
/// Requests given up whose late replies one client can tell from duplicates.
const MOST_GIVEN_UP: usize = 4096;

/// A request on its way, and what has come back for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The request's number at its client.
    pub request: u64,
    /// When the plan wanted it to leave; nanoseconds from the plan's start, as all instants here.
    pub intended_ns: u64,
    /// When it left.
    pub sent_ns: u64,
    /// Expected replies; at least one.
    pub owed: u32,
    /// Replies that came.
    pub received: u32,
    /// Those of them that were errors.
    pub failed: u32,
    /// Which operation of the mix it is, from 0.
    pub operation: u16,
    /// When the last reply so far came; 0 before the first.
    pub heard_ns: u64,
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
    /// No request before this one is in the ring, so that a look for the oldest goes over each place once.
    ring_from: u64,
    /// Requests given up last, in order, with the replies that each is still missing.
    given_up: VecDeque<(u64, u32)>,
    /// Requests before this one are no longer among them.
    forgotten_before: u64,
}

impl Outstanding {
    /// Starts an exchange.
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

    /// The exchange that started first of those held; `next_request` is the number that the next one will have.
    ///
    /// It costs a step for each request since the last look, or for each place of the ring if these are fewer, and takes
    /// nothing from those that start and end.
    pub fn oldest(&mut self, next_request: u64) -> Option<Exchange> {
        let in_ring = if next_request - self.ring_from < self.ring.len() as u64 {
            (self.ring_from..next_request).find_map(|request| {
                self.ring[self.index(request)].filter(|exchange| exchange.request == request)
            })
        } else {
            self.ring.iter().flatten().min_by_key(|exchange| exchange.request).copied()
        };
        self.ring_from = in_ring.map_or(next_request, |exchange| exchange.request);
        let stray = self.strays.first_key_value().map(|(_, exchange)| *exchange);
        [in_ring, stray].into_iter().flatten().min_by_key(|exchange| exchange.request)
    }

    /// Gives up the exchange that started first, if it was sent before `sent_before_ns`: it is held no longer. Call until
    /// there is none; `next_request` is the number that the next one will have.
    ///
    /// Exchanges have to be sent in the order of their numbers.
    pub fn give_up(&mut self, sent_before_ns: u64, next_request: u64) -> Option<Exchange> {
        let gone = self.oldest(next_request).filter(|held| held.sent_ns < sent_before_ns)?;
        self.remove(gone.request);
        if self.given_up.len() == MOST_GIVEN_UP
            && let Some((forgotten, _)) = self.given_up.pop_front()
        {
            self.forgotten_before = forgotten + 1;
        }
        self.given_up.push_back((gone.request, gone.owed - gone.received));
        Some(gone)
    }

    /// Whether a reply to `request`, which is not held, was expected until the request was given up.
    ///
    /// After 4,096 further requests of the client were given up, any reply to it counts as late.
    pub fn late(&mut self, request: u64) -> bool {
        let found = self.given_up.binary_search_by_key(&request, |(request, _)| *request);
        match found {
            Ok(place) => {
                let missing = &mut self.given_up[place].1;
                let owed = *missing > 0;
                *missing = missing.saturating_sub(1);
                owed
            }
            Err(_) => request < self.forgotten_before,
        }
    }

    /// Every exchange, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Exchange> {
        self.ring.iter().flatten().chain(self.strays.values())
    }

    /// Whether no exchange is held.
    #[inline]
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
        Exchange { request, sent_ns: request, owed: 1, ..Exchange::default() }
    }

    proptest! {
        // Requests start in order and end in any order, some never: the ring must behave as a plain map does.
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
                let mut held: Vec<u64> = outstanding.iter().map(|exchange| exchange.request).collect();
                held.sort_unstable();
                prop_assert!(held.iter().eq(model.keys()));
                prop_assert_eq!(outstanding.is_empty(), model.is_empty());
            }
            prop_assert_eq!(outstanding.get_mut(1_000_000), None);
        }
    }

    proptest! {
        // Sent in order, each with an end or none, and a timeout that passes over them.
        #[test]
        fn what_is_too_old_is_given_up_once_and_known_when_it_comes_late(
            answered in prop::collection::vec(any::<bool>(), 1..300), every in 1..40_u64,
            silent in prop::option::of(2..20_u64),
        ) {
            let mut outstanding = Outstanding::default();
            let mut given_up = Vec::new();
            let mut give_up = |outstanding: &mut Outstanding, before, next| {
                given_up.extend(
                    std::iter::from_fn(|| outstanding.give_up(before, next)).map(|gone| gone.request),
                );
            };
            for (request, answered) in (0_u64..).zip(&answered) {
                // A request that expects no reply is never kept, and so moves no other.
                if silent.is_none_or(|every| !request.is_multiple_of(every)) {
                    outstanding.insert(exchange(request));
                }
                if *answered && outstanding.get_mut(request).is_some() {
                    outstanding.remove(request);
                }
                if request.is_multiple_of(every) {
                    give_up(&mut outstanding, request, request + 1);
                    prop_assert!(outstanding.iter().all(|held| held.sent_ns >= request));
                }
                let oldest = outstanding.iter().map(|held| held.request).min();
                prop_assert_eq!(outstanding.oldest(request + 1).map(|held| held.request), oldest);
            }
            let all = answered.len() as u64;
            give_up(&mut outstanding, all, all);
            prop_assert!(outstanding.is_empty());
            let is_lost = |(request, answered): &(u64, &bool)| {
                !**answered && silent.is_none_or(|every| !request.is_multiple_of(every))
            };
            let lost = (0..).zip(&answered).filter(is_lost).map(|(request, _)| request);
            prop_assert_eq!(&given_up, &lost.collect::<Vec<u64>>());
            for request in 0..all {
                prop_assert_eq!(outstanding.late(request), given_up.contains(&request));
                prop_assert!(!outstanding.late(request), "a second reply is beyond the one owed");
            }
        }
    }

    #[test]
    fn losses_take_no_memory_for_ever() {
        let mut outstanding = Outstanding::default();
        for request in 0..100_000 {
            outstanding.insert(exchange(request));
            outstanding.give_up(request, request + 1);
        }
        assert!(outstanding.iter().count() <= 1 && outstanding.given_up.len() == MOST_GIVEN_UP);
        assert!(outstanding.late(3) && outstanding.late(99_990) && !outstanding.late(100_000));
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
