//! The throughput of a closed load in a window: each cycle by the share of it that is in the window.
//!
//! A slot's cycles follow each other without a gap: each from the instant at which its request was intended to the one at
//! which the slot is free for the next, think time included. A count of what is sent or comes in a window moves by a
//! whole round where all slots turn together; the sum of shares is the window's length over the cycle's, wherever the
//! window starts and ends (renewal-reward: Ross, "Stochastic processes", 3.6). Invariant: what is within the window
//! costs three comparisons and is counted elsewhere; only what crosses an edge is worked out here, and only slots that
//! think take memory.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sum::merge_fields;

/// Requests and replies of a window, in fractions of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Completed {
    /// Requests.
    pub requests: f64,
    /// Replies.
    pub replies: f64,
}

merge_fields! { Completed: requests, replies }

/// The cycles of the slots of a closed load. Instants are nanoseconds from the plan's start.
#[derive(Debug, Clone)]
pub struct Cycles {
    window: Range<u64>,
    slots_per_client: u64,
    /// The shares of the cycles that cross an edge, less what they count where they are counted whole.
    crossing: Completed,
    /// The first ones of the slots, with their replies: queues are still filling.
    first: Vec<(Range<u64>, u32)>,
    /// Cycles that ended in a think time, and some whose think time has passed since, with their replies.
    thinking: Vec<(Range<u64>, u32)>,
    /// How many of them are searched for those.
    most_thinking: usize,
}

/// Of fewer cycles none are thrown away.
const FEW: usize = 64;

/// Cycles of a length are recognised only if they fill this part of the window: one in n.
const LEAST_OTHERS: f64 = 16.0;

/// A cycle that had not ended when the drain did.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    /// When its request was intended.
    pub intended_ns: u64,
    /// Replies that had come.
    pub received: u32,
}

impl Cycles {
    /// No cycle of the window yet.
    pub fn new(window: Range<u64>, slots_per_client: u64) -> Self {
        Self {
            window,
            slots_per_client,
            crossing: Completed::default(),
            first: Vec::new(),
            thinking: Vec::new(),
            most_thinking: FEW,
        }
    }

    /// The window ends at `end_ns` and not when it should: what slots do then that are in a think time is not in it.
    pub fn end_window(&mut self, end_ns: u64) {
        for (cycle, replies) in std::mem::take(&mut self.thinking) {
            let length_ns = (cycle.end - cycle.start) as f64;
            let before = self.share(&cycle, length_ns);
            let cut = cycle.start..cycle.end.min(end_ns);
            self.add(self.share(&cut, length_ns) - before, replies);
        }
        self.window.end = end_ns;
    }

    /// The client's `request`, intended at `cycle.start`, has all of its replies or is given up at `now_ns`, and its slot is
    /// free for the next one at `cycle.end`, after its think time.
    #[inline]
    pub fn ended(&mut self, cycle: Range<u64>, request: u64, replies: u32, now_ns: u64) {
        if cycle.start <= self.window.start && request < self.slots_per_client {
            self.first_ended(cycle, replies);
            return;
        }
        if cycle.end > now_ns {
            self.thinks(cycle.clone(), replies, now_ns);
        }
        if cycle.start < self.window.start || cycle.end > self.window.end {
            let length_ns = cycle.end - cycle.start;
            self.crosses(&cycle, length_ns as f64, replies);
        }
    }

    #[cold]
    fn first_ended(&mut self, cycle: Range<u64>, replies: u32) {
        if cycle.end > self.window.start || cycle.start == self.window.start {
            self.first.push((cycle, replies));
        }
    }

    fn thinks(&mut self, cycle: Range<u64>, replies: u32, now_ns: u64) {
        if self.thinking.len() == self.most_thinking {
            self.thinking.retain(|(cycle, _)| cycle.end > now_ns);
            self.most_thinking = FEW.max(self.thinking.len() * 2);
        }
        self.thinking.push((cycle, replies));
    }

    #[cold]
    fn crosses(&mut self, cycle: &Range<u64>, length_ns: f64, replies: u32) {
        let counted = if cycle.start < self.window.start { 0.0 } else { 1.0 };
        self.add(self.share(cycle, length_ns) - counted, replies);
    }

    fn add(&mut self, requests: f64, replies: u32) {
        self.crossing.requests += requests;
        self.crossing.replies += requests * f64::from(replies);
    }

    fn share(&self, cycle: &Range<u64>, length_ns: f64) -> f64 {
        let within_ns = self.within_ns(cycle);
        if within_ns == 0 { 0.0 } else { within_ns as f64 / length_ns }
    }

    /// The time of these cycles in the window.
    fn time_ns(&self, cycles: &[(Range<u64>, u32)]) -> f64 {
        cycles.iter().map(|(cycle, _)| self.within_ns(cycle) as f64).sum()
    }

    fn within_ns(&self, cycle: &Range<u64>) -> u64 {
        let (from_ns, to_ns) = (cycle.start.max(self.window.start), cycle.end.min(self.window.end));
        to_ns.saturating_sub(from_ns)
    }

    /// The throughput of `slots` slots in the window, of which `counted` are the requests intended in it and the replies to
    /// them, when the cycles of these requests are still open at `now_ns`.
    ///
    /// Neither they nor the first cycles of the slots are as long as others: of those the end is not known, and these find
    /// queues that are still short. They are taken to be as long as the others, or as long as they are, if that is longer.
    pub fn finish(
        mut self,
        counted: (u64, u64),
        slots: u64,
        open: impl Iterator<Item = Open>,
        now_ns: u64,
    ) -> Completed {
        let so_far = |open: Open| (open.intended_ns..now_ns.max(open.intended_ns), open.received);
        let open: Vec<(Range<u64>, u32)> = open.map(so_far).collect();
        let all_ns = slots as f64 * self.window.end.saturating_sub(self.window.start) as f64;
        let mut odd = std::mem::take(&mut self.first);
        if all_ns - self.time_ns(&odd) - self.time_ns(&open) < all_ns / LEAST_OTHERS {
            // The window is too short for others to tell how long they are.
            for (cycle, replies) in odd.drain(..) {
                let length_ns = cycle.end - cycle.start;
                self.crosses(&cycle, length_ns as f64, replies);
            }
        }
        odd.extend(open);
        let begun = odd.iter().filter(|(cycle, _)| cycle.start >= self.window.start).count();
        let others = counted.0 as f64 - begun as f64 + self.crossing.requests;
        let others_ns = all_ns - self.time_ns(&odd);
        let mean_ns = if others_ns > 0.0 && others > 0.0 { others_ns / others } else { 0.0 };
        for (cycle, replies) in &odd {
            let length_ns = (cycle.end - cycle.start) as f64;
            self.crosses(cycle, length_ns.max(mean_ns), *replies);
        }
        // What is nothing may be a little less by rounding.
        Completed {
            requests: (counted.0 as f64 + self.crossing.requests).max(0.0),
            replies: (counted.1 as f64 + self.crossing.replies).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::saturating;
    use proptest::prelude::*;

    /// The throughput of slots that start at these phases, each cycle with two replies, until the sending ends; those that have not
    /// ended `drain_ns` later are open.
    fn lockstep(phases: &[u64], cycle_ns: u64, window: Range<u64>, drain_ns: u64) -> Completed {
        let mut cycles = Cycles::new(window.clone(), 1);
        let (mut counted, mut open) = ((0, 0), Vec::new());
        let now_ns = window.end + drain_ns;
        for phase_ns in phases {
            let (mut intended_ns, mut request) = (*phase_ns, 0);
            while intended_ns < window.end {
                let counts = u64::from(intended_ns >= window.start);
                counted.0 += counts;
                let free_ns = intended_ns + cycle_ns;
                if free_ns <= now_ns {
                    counted.1 += 2 * counts;
                    cycles.ended(intended_ns..free_ns, request, 2, free_ns);
                } else {
                    open.push(Open { intended_ns, received: 0 });
                }
                intended_ns = free_ns;
                request += 1;
            }
        }
        cycles.finish(counted, phases.len() as u64, open.into_iter(), now_ns)
    }

    proptest! {
        #[test]
        fn equal_cycles_are_the_slots_over_the_cycle_whatever_the_window(
            phases in prop::collection::vec(0.0..1.0_f64, 1..20),
            cycle_ns in 1_000..200_000_u64, warmup_ns in 0..300_000_u64, window_ns in 300_000..900_000_u64,
        ) {
            let span_ns = warmup_ns.min(cycle_ns) as f64;
            let phases: Vec<u64> = phases.iter().map(|share| saturating(share * span_ns)).collect();
            let window = warmup_ns..warmup_ns + window_ns;
            let expected = phases.len() as f64 * window_ns as f64 / cycle_ns as f64;
            let drained = lockstep(&phases, cycle_ns, window.clone(), cycle_ns);
            prop_assert!((drained.requests / expected - 1.0).abs() < 1e-9, "{drained:?}, {expected}");
            prop_assert!((drained.replies / expected - 2.0).abs() < 1e-9, "{drained:?}, {expected}");
            // What is open when waiting has ended has the length of the others.
            let cut = lockstep(&phases, cycle_ns, window, 0);
            prop_assert!((cut.requests / expected - 1.0).abs() < 1e-9, "{cut:?}, {expected}");
        }
    }

    /// One worker that takes 100 for each request of four slots: the first cycles take 100 to 400, all others 400.
    #[test]
    fn while_a_queue_fills_no_more_is_completed_than_can_be() {
        let mut cycles = Cycles::new(0..2_000, 4);
        let (mut counted, mut open) = ((0, 0), Vec::new());
        for request in 0..24_u64 {
            let (begin_ns, end_ns) = (request.saturating_sub(3) * 100, (request + 1) * 100);
            if begin_ns < 2_000 {
                counted.0 += 1;
                if end_ns <= 2_200 {
                    cycles.ended(begin_ns..end_ns, request, 1, end_ns);
                    counted.1 += 1;
                } else {
                    open.push(Open { intended_ns: begin_ns, received: 0 });
                }
            }
        }
        let completed = cycles.finish(counted, 4, open.into_iter(), 2_200);
        assert!((completed.requests - 20.0).abs() < 1e-9, "{completed:?}");
    }

    #[test]
    fn a_window_that_is_cut_short_holds_its_share_of_a_think_time() {
        // One slot, answered at once, that thinks for 300.
        let mut cycles = Cycles::new(150..10_000, 1);
        for (request, begin_ns) in (0..).zip([0, 300, 600, 900]) {
            cycles.ended(begin_ns..begin_ns + 300, request, 1, begin_ns);
        }
        cycles.end_window(1_000);
        let completed = cycles.finish((3, 3), 1, std::iter::empty(), 1_000);
        assert!((completed.requests - 850.0 / 300.0).abs() < 1e-9, "{completed:?}");
        assert!((completed.replies - 850.0 / 300.0).abs() < 1e-9, "{completed:?}");
    }

    #[test]
    fn what_thinks_takes_memory_only_as_long_as_it_does() {
        let mut cycles = Cycles::new(0..u64::MAX, 1);
        (0..100_000).for_each(|now_ns| cycles.thinks(now_ns..now_ns + 100, 1, now_ns));
        assert!(cycles.thinking.capacity() < 1_000);
    }

    #[test]
    fn a_slot_that_gets_no_reply_completes_no_more_than_its_time() {
        let mut cycles = Cycles::new(0..1_000, 1);
        cycles.ended(0..100, 0, 1, 100);
        let completed =
            cycles.finish((2, 1), 1, [Open { intended_ns: 100, received: 0 }].into_iter(), 1_900);
        assert!((completed.requests - 1.5).abs() < 1e-9, "{completed:?}");
        assert!((completed.replies - 1.0).abs() < 1e-9, "{completed:?}");
    }

    #[test]
    fn a_window_that_never_started_completes_nothing() {
        let mut cycles = Cycles::new(500..1_000, 1);
        cycles.end_window(300);
        cycles.ended(0..0, 0, 0, 0);
        cycles.ended(200..400, 1, 1, 400);
        let completed =
            cycles.finish((0, 0), 2, [Open { intended_ns: 250, received: 0 }].into_iter(), 450);
        assert_eq!(completed, Completed::default());
    }
}
