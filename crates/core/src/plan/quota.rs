//! Where a plan of a fixed number of requests ends, and which client sends how many of them.
//!
//! An open load ends with the N-th intended instant after the warm-up, over all clients; of requests of one instant the client
//! with the lower number is first. A closed load has no instants: each client gets its share. Invariant: the schedules of all
//! clients together have exactly N requests after the warm-up.

use std::cmp::Ordering;

use super::{Offered, Plan, Schedule};
use crate::quantity::rounded;
use crate::scenario::{Arrivals, Nanos, Scenario};

/// A closed load that does not get through its requests ends after this time.
const LONGEST: Nanos = Nanos::from_secs(24 * 3600);

/// The requests of a plan that has a fixed number of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    requests: u64,
    /// Length of the window at the rate of an open load, in nanoseconds.
    nominal_ns: Option<u64>,
    /// The last request of an open load.
    last: Option<Last>,
    end_ns: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Last {
    at_ns: u64,
    client: u32,
    request: u64,
}

impl Quota {
    /// The quota of a scenario that has one.
    pub(super) fn of(scenario: &Scenario, offered: &Offered) -> Option<Self> {
        let requests = u64::from(scenario.load.requests?.0);
        let warmup_ns = scenario.run.warmup.0;
        Some(match offered {
            Offered::Closed { .. } => {
                Self { requests, nominal_ns: None, last: None, end_ns: warmup_ns + LONGEST.0 }
            }
            Offered::Open { rate, arrivals } => {
                let schedules = Schedules {
                    arrivals: *arrivals,
                    rate: *rate,
                    clients: scenario.clients.count.0,
                    seed: scenario.seed,
                };
                let last = schedules.nth(requests, warmup_ns);
                let nominal_ns = Some(rounded(requests as f64 / rate * 1e9));
                Self { requests, nominal_ns, last: Some(last), end_ns: last.at_ns + 1 }
            }
        })
    }

    /// When no request is sent any more.
    pub(super) fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// A client's schedule, without what comes after the plan's last request.
    pub(super) fn cut(&self, schedule: Schedule, client: u32) -> Schedule {
        let Some(last) = self.last else { return schedule };
        match client.cmp(&last.client) {
            Ordering::Less => schedule,
            Ordering::Equal => schedule.with_last(last.request, last.at_ns + 1),
            Ordering::Greater => schedule.with_last(u64::MAX, last.at_ns),
        }
    }
}

impl Plan {
    /// The number of requests that end the run: those intended after the warm-up; `None` if a time does.
    pub fn fixed_requests(&self) -> Option<u64> {
        self.quota.map(|quota| quota.requests)
    }

    /// Requests that this client of a closed load sends after the warm-up; as many as it can if a time ends the run.
    pub fn quota(&self, client: u32) -> u64 {
        match (self.quota, &self.offered) {
            (Some(quota), Offered::Closed { .. }) => {
                let clients = u64::from(self.clients);
                quota.requests / clients + u64::from(u64::from(client) < quota.requests % clients)
            }
            _ => u64::MAX,
        }
    }

    /// The latest end of the measured window: the end of the sending, or of the drain where the last reply ends it.
    pub fn window_end_ns(&self) -> u64 {
        let waited_ns = if self.quota.is_some() { self.drain_ns } else { 0 };
        self.send_end_ns + waited_ns
    }

    /// How long an open load offers its rate after the warm-up, in nanoseconds; `None` of a closed load whose requests are counted.
    pub fn offered_ns(&self) -> Option<u64> {
        match self.quota {
            None => Some(self.send_end_ns - self.warmup_ns),
            Some(quota) => quota.nominal_ns,
        }
    }
}

/// The schedules of all clients of an open load, without an end.
struct Schedules {
    arrivals: Arrivals,
    rate: f64,
    clients: u32,
    seed: u64,
}

impl Schedules {
    fn of(&self, (clients, client): (u32, u32)) -> Schedule {
        Schedule::new(self.arrivals, self.rate, clients, client, self.seed, u64::MAX)
    }

    /// The `n`-th request at or after `from_ns`, counted from 1.
    fn nth(&self, n: u64, from_ns: u64) -> Last {
        match self.arrivals {
            Arrivals::Periodic => {
                // All clients together are the schedule of one that has the whole rate.
                let (number, at_ns) = self.of((1, 0)).nth_from(from_ns, n);
                let clients = u64::from(self.clients);
                let client = u32::try_from(number % clients).expect("below the number of clients");
                Last { at_ns, client, request: number / clients }
            }
            Arrivals::Poisson => self.nth_of_all(n, from_ns),
        }
    }

    /// The same by a walk over all of them: those well before it are counted, those around it compared.
    fn nth_of_all(&self, n: u64, from_ns: u64) -> Last {
        let mut margin = 8.0 * (n as f64).sqrt() + 16.0;
        loop {
            let after_ns = |requests: f64| {
                from_ns.saturating_add(rounded(requests.max(0.0) / self.rate * 1e9))
            };
            let (near_ns, far_ns) = (after_ns(n as f64 - margin), after_ns(n as f64 + margin));
            let (mut before, mut around) = (0, Vec::new());
            for client in 0..self.clients {
                for (request, at_ns) in self.of((self.clients, client)) {
                    if at_ns >= far_ns {
                        break;
                    }
                    if at_ns >= near_ns {
                        around.push(Last { at_ns, client, request });
                    } else if at_ns >= from_ns {
                        before += 1;
                    }
                }
            }
            around.sort_unstable();
            let place = n.checked_sub(before + 1).and_then(|place| usize::try_from(place).ok());
            if let Some(last) = place.and_then(|place| around.get(place)) {
                return *last;
            }
            margin *= 4.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(text: &str) -> Plan {
        Plan::new(&Scenario::parse("test.toml", text, &[]).unwrap())
    }

    proptest! {
        #[test]
        fn an_open_load_sends_exactly_the_first_of_the_whole_plan(
            requests in 1..3_000_u64, clients in 1..40_u32, rate in 1..200_000_u32,
            warmup_ms in 0..50_u32, poisson in any::<bool>(),
        ) {
            let arrivals = if poisson { "poisson" } else { "periodic" };
            let load = |rest: &str| format!(
                "load = {{ rate = '{rate}/s', arrivals = '{arrivals}'{rest} }}\n                 clients.count = {clients}\nrun.warmup = '{warmup_ms}ms'\n"
            );
            let counted = plan(&load(&format!(", requests = {requests}")));
            let all = |plan: &Plan| {
                let mut all: Vec<(u64, u32, u64)> = (0..clients)
                    .flat_map(|client| {
                        let schedule = plan.schedule(client).unwrap();
                        schedule.map(move |(request, at_ns)| (at_ns, client, request))
                    })
                    .filter(|(at_ns, ..)| *at_ns >= plan.warmup_ns())
                    .collect();
                all.sort_unstable();
                all
            };
            let sent = all(&counted);
            prop_assert_eq!(sent.len() as u64, requests);
            prop_assert_eq!(counted.requests(), Some(requests));
            prop_assert!(sent.iter().all(|(at_ns, ..)| *at_ns < counted.send_end_ns()));
            // The same plan by time, for a little longer.
            let seconds = f64::from(warmup_ms) / 1e3 + counted.send_end_ns() as f64 / 1e9;
            let longer = load("") + &format!("run.duration = '{}ms'", (seconds * 2e3).ceil() + 1.0);
            let first: Vec<_> = all(&plan(&longer)).into_iter().take(sent.len()).collect();
            prop_assert_eq!(sent, first);
        }

        #[test]
        fn the_clients_of_a_closed_load_share_them_out(requests in 1..100_000_u64, clients in 1..500_u32) {
            let requests = requests.max(u64::from(clients));
            let plan = plan(&format!(
                "load = {{ model = 'closed', requests = {requests} }}\nclients.count = {clients}"
            ));
            let shares: Vec<u64> = (0..clients).map(|client| plan.quota(client)).collect();
            prop_assert_eq!(shares.iter().sum::<u64>(), requests);
            prop_assert!(shares.is_sorted_by(|one, next| one == next || *one == *next + 1));
            prop_assert_eq!(plan.requests(), Some(requests));
        }
    }

    #[test]
    fn of_one_instant_only_as_many_are_sent_as_are_left() {
        // So fast that clients, and even one client, have several requests at an instant.
        for requests in 1..200 {
            let plan = plan(&format!(
                "load = {{ rate = '100M/s', arrivals = 'poisson', requests = {requests} }}\nclients.count = 9"
            ));
            let sent: usize = (0..9).map(|client| plan.schedule(client).unwrap().count()).sum();
            assert_eq!(sent, requests);
        }
    }

    #[test]
    fn only_a_number_of_requests_is_in_the_hash() {
        let of =
            |load: &str| plan(&format!("load = {{ model = 'closed'{load} }}")).hash().to_owned();
        assert_ne!(of(", requests = 1000"), of(", requests = 1001"));
        assert_ne!(of(", requests = 1000"), of(""));
    }
}
