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
    /// Of the probe clients, whose numbers come after the others'.
    probes: Vec<Schedule>,
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
        let (mut due, source, most_at_once): (BinaryHeap<_>, _, _) = match plan.offered() {
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
        let of_probes = plan.of_probes();
        let probes: Vec<Schedule> = of_probes
            .iter()
            .flat_map(|of| plan.probe_numbers().filter_map(|number| of.schedule(number)))
            .collect();
        let first = plan.probe_numbers().zip(&probes);
        due.extend(first.filter_map(|(number, of)| Some(Reverse((of.peek()?.1, number)))));
        Ok(Self { plan, due, source, probes, at_ns: 0, at_once: 0, most_at_once })
    }

    /// The next request, if the plan has one more. [`Self::ended`] must be called with its end before the next call.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Arrival>, NoIdeal> {
        let Some((intended_ns, client)) = self.due() else { return Ok(None) };
        if intended_ns > self.at_ns {
            (self.at_ns, self.at_once) = (intended_ns, 0);
        }
        self.at_once += 1;
        let warmup_ns = self.plan.warmup_ns();
        if self.at_once > self.most_at_once {
            return Err(NoIdeal::StandsStill { at_ns: intended_ns, requests: self.at_once });
        }
        let request = match self.schedule_or_slots(client) {
            Ok(schedule) => {
                let (request, _) = schedule.peek().expect("what is due is on the schedule");
                schedule.advance();
                request
            }
            Err(numbers) => {
                let (number, left) = &mut numbers[client as usize];
                *left -= u64::from(intended_ns >= warmup_ns);
                *number += 1;
                *number - 1
            }
        };
        Ok(Some(Arrival { client, request, intended_ns }))
    }

    /// The schedule of a client that has one, or the numbers of all clients of a closed load.
    #[inline]
    fn schedule_or_slots(&mut self, client: u32) -> Result<&mut Schedule, &mut Vec<(u64, u64)>> {
        if let Some(probe) = client.checked_sub(self.plan.clients()) {
            return Ok(&mut self.probes[probe as usize]);
        }
        match &mut self.source {
            Source::Open(schedules) => Ok(&mut schedules[client as usize]),
            Source::Closed(numbers) => Err(numbers),
        }
    }

    /// When which client sends next; slots of a client that has sent all of its requests send no more.
    #[inline]
    fn due(&mut self) -> Option<(u64, u32)> {
        loop {
            let &Reverse((intended_ns, client)) = self.due.peek()?;
            match &self.source {
                // A probe is none of them.
                Source::Closed(numbers)
                    if numbers.get(client as usize).is_some_and(|(_, left)| *left == 0) =>
                {
                    self.due.pop()
                }
                _ => return Some((intended_ns, client)),
            };
        }
    }

    /// The request handed out last is over: its slot, in a closed load, sends again at `free_ns`.
    #[inline]
    pub(super) fn ended(&mut self, arrival: &Arrival, free_ns: Option<u64>) {
        let send_end_ns = self.plan.send_end_ns();
        let next_ns = match self.schedule_or_slots(arrival.client) {
            Ok(schedule) => schedule.peek().map(|(_, intended_ns)| intended_ns),
            Err(_) => free_ns.filter(|free_ns| *free_ns < send_end_ns),
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

#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    use crate::scenario::Scenario;
    use crate::twin::{Limits, Policy, Pool, play};

    #[test]
    fn probes_are_served_and_not_shown() {
        let open =
            "load.rate = '400/s'\nrun.duration = '4s'\nworkers = { count = 2, delay = '4ms' }";
        let closed = "load = { model = 'closed', in_flight = 2, think = '20ms' }\nrun.duration = '4s'\nworkers = { count = 2, delay = '4ms' }";
        for load in [open, closed] {
            let courses = |probes: u32| {
                let text = format!("{load}\nclients.probes = {probes}");
                let plan = Plan::new(&Scenario::parse("test.toml", &text, &[]).unwrap());
                let mut shown = Vec::new();
                play(
                    &plan,
                    Pool { workers: 2, policy: Policy::RoundRobin },
                    Limits::none(),
                    |served| {
                        assert!(served.client < plan.clients());
                        shown.push((served.intended_ns, served.started_ns));
                    },
                )
                .unwrap();
                shown
            };
            let waits =
                |shown: &[(u64, u64)]| shown.iter().map(|(from, to)| to - from).sum::<u64>();
            let (without, with) = (courses(0), courses(2));
            assert!(waits(&with) > waits(&without), "{load}: the others wait for them");
            if load == open {
                assert!(with.iter().map(|of| of.0).eq(without.iter().map(|of| of.0)));
            } else {
                assert!(with.len() < without.len(), "slots are free later");
            }
        }
    }
}
