//! When which client sends: all schedules of an open load, or all slots of a closed one, merged in time order.
//!
//! Invariant: instants never decrease, and requests of one instant leave in the order of their clients' numbers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::{MOST_IN_FLIGHT, NoIdeal};
use crate::plan::{Offered, Plan, Schedule};

/// How often, on average, each slot of a closed load may send at one instant: beyond it, more than 99 in 100 requests
/// take no time at all, and the load is no more than a loop.
const MOST_PER_SLOT: u64 = 100;
/// Requests at one instant that are always allowed: a few slots may meet many silent requests in a row.
const ALWAYS_AT_ONCE: u64 = 1_000_000;

/// A request that leaves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) client: u32,
    pub(super) request: u64,
    pub(super) intended_ns: u64,
}

pub(super) struct ArrivalQueue<'a> {
    plan: &'a Plan,
    /// When which client sends: an entry for each client of an open load, for each slot of a closed one.
    due: BinaryHeap<Reverse<(u64, u32)>>,
    source: Source,
    /// The instant of the request handed out last, and how many it has had.
    at_ns: u64,
    at_once: u64,
    most_at_once: u64,
}

enum Source {
    /// Each client's schedule, at the request that is due.
    Open(Vec<Schedule>),
    /// The number of each client's next request, and how many it has left to send after the warm-up.
    Closed(Vec<(u64, u64)>),
}

impl<'a> ArrivalQueue<'a> {
    pub(super) fn new(plan: &'a Plan) -> Result<Self, NoIdeal> {
        let (due, source, most_at_once) = match plan.offered() {
            Offered::Open { .. } => {
                let schedules: Vec<Schedule> =
                    (0..plan.clients()).filter_map(|client| plan.schedule(client)).collect();
                let due = (0..)
                    .zip(&schedules)
                    .filter_map(|(client, schedule)| Some(Reverse((schedule.peek()?.1, client))))
                    .collect();
                // A schedule ends by itself.
                (due, Source::Open(schedules), u64::MAX)
            }
            Offered::Closed { in_flight, think, .. } => {
                let slots = u64::from(*in_flight) * u64::from(plan.clients());
                if slots > MOST_IN_FLIGHT {
                    return Err(NoIdeal::TooManyInFlight { in_flight: slots });
                }
                if plan.summary().work_ns_mean == 0.0 && think.constant() == Some(0) {
                    return Err(NoIdeal::InfiniteRate);
                }
                let due: Vec<_> = (0..plan.clients())
                    .flat_map(|client| {
                        let begins_ns = move |slot| plan.slot_begins_ns(client, slot);
                        (0..*in_flight).map(move |slot| Reverse((begins_ns(slot), client)))
                    })
                    .collect();
                let numbers = (0..plan.clients()).map(|client| (0, plan.quota(client))).collect();
                let most_at_once = ALWAYS_AT_ONCE.max(slots * MOST_PER_SLOT);
                (due.into(), Source::Closed(numbers), most_at_once)
            }
        };
        Ok(Self { plan, due, source, at_ns: 0, at_once: 0, most_at_once })
    }

    /// The next request, if the plan has one more. [`Self::ended`] must be called with its end before the next call.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Arrival>, NoIdeal> {
        let Some((intended_ns, client)) = self.due() else { return Ok(None) };
        if intended_ns > self.at_ns {
            (self.at_ns, self.at_once) = (intended_ns, 0);
        }
        self.at_once += 1;
        if self.at_once > self.most_at_once {
            return Err(NoIdeal::StandsStill { at_ns: intended_ns, requests: self.at_once });
        }
        let request = match &mut self.source {
            Source::Open(schedules) => {
                let schedule = &mut schedules[client as usize];
                let (request, _) = schedule.peek().expect("what is due is on the schedule");
                schedule.advance();
                request
            }
            Source::Closed(numbers) => {
                let (number, left) = &mut numbers[client as usize];
                *left -= u64::from(intended_ns >= self.plan.warmup_ns());
                *number += 1;
                *number - 1
            }
        };
        Ok(Some(Arrival { client, request, intended_ns }))
    }

    /// When which client sends next; slots of a client that has sent all of its requests send no more.
    #[inline]
    fn due(&mut self) -> Option<(u64, u32)> {
        loop {
            let &Reverse((intended_ns, client)) = self.due.peek()?;
            match &self.source {
                Source::Closed(numbers) if numbers[client as usize].1 == 0 => self.due.pop(),
                _ => return Some((intended_ns, client)),
            };
        }
    }

    /// The request handed out last is over: its slot, in a closed load, sends again at `free_ns`.
    #[inline]
    pub(super) fn ended(&mut self, arrival: &Arrival, free_ns: Option<u64>) {
        let next_ns = match &self.source {
            Source::Open(schedules) => {
                schedules[arrival.client as usize].peek().map(|(_, intended_ns)| intended_ns)
            }
            Source::Closed(_) => free_ns.filter(|free_ns| *free_ns < self.plan.send_end_ns()),
        };
        let mut top = self.due.peek_mut().expect("the request handed out last is still on top");
        match next_ns {
            // The entry sinks to its new place when `top` goes.
            Some(next_ns) => top.0.0 = next_ns,
            None => {
                PeekMut::pop(top);
            }
        }
    }
}
