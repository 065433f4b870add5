//! The schedule of an open load: at which instants one client's requests are intended to leave.
//!
//! Invariant: instants never decrease, and request k of client c has the same instant on every machine.

use std::sync::Arc;

use super::curve::Curve;
use super::draw::{DrawKey, Purpose, Sampler};
use crate::quantity::rounded;
use crate::scenario::{Arrivals, Distribution, Nanos, RecordedArrivals};

/// Instants from the start of the plan at which one client's requests leave, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Schedule {
    spacing: Spacing,
    /// The number of the request that leaves next.
    request: u64,
    /// When it leaves.
    at_ns: u64,
    end_ns: u64,
}

#[derive(Debug, Clone)]
enum Spacing {
    /// Request k leaves at `(k * clients + client) / rate`: all clients together are evenly spaced.
    Periodic { clients: u64, client: u64, rate_per_ns: f64 },
    /// Exponential inter-arrival times.
    Poisson { seed: u64, client: u32, gap: Sampler, last: u64 },
    /// The load changes: these, moved.
    Moved(Moved),
}

/// Requests of a load that changes: those of one request per unit, moved to where the rate's integral reaches them, or recorded ones.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    client: u32,
    clients: u32,
    to: To,
}

#[derive(Debug, Clone)]
enum To {
    /// All clients together are one request apart.
    Periodic(Arc<Curve>),
    /// Exponential gaps of one request of this client on average, and their sum so far.
    Poisson { curve: Arc<Curve>, seed: u64, sum: f64 },
    /// As they were recorded, this many times as fast.
    Recorded(Arc<RecordedArrivals>, f64),
}

impl Moved {
    /// The requests of a client of several, moved by the integral of a rate.
    pub(super) fn by(
        curve: Arc<Curve>,
        arrivals: Arrivals,
        (client, clients): (u32, u32),
        seed: u64,
    ) -> Self {
        let to = match arrivals {
            Arrivals::Periodic => To::Periodic(curve),
            Arrivals::Poisson => To::Poisson { curve, seed, sum: 0.0 },
        };
        Self { client, clients, to }
    }

    /// The recorded requests of a client of several.
    pub(super) fn recorded(
        arrivals: Arc<RecordedArrivals>,
        (client, clients): (u32, u32),
        speed: f64,
    ) -> Self {
        Self { client, clients, to: To::Recorded(arrivals, speed) }
    }

    /// The instant of `request`, which of a Poisson load must be the one after that of the last call; the largest number if
    /// the load ends before it.
    #[inline(never)]
    fn instant(&mut self, request: u64) -> u64 {
        let Self { client, clients, to } = self;
        match to {
            To::Periodic(curve) => {
                let number =
                    request.saturating_mul(u64::from(*clients)).saturating_add(u64::from(*client));
                curve.instant_ns(number as f64)
            }
            To::Poisson { curve, seed, sum } => {
                *sum += DrawKey::new(*seed, *client, request).exponential(Purpose::Gap);
                curve.instant_ns(*sum * f64::from(*clients))
            }
            To::Recorded(arrivals, speed) => {
                arrivals.instant((*client, *clients), request, *speed).unwrap_or(u64::MAX)
            }
        }
    }

    fn is_poisson(&self) -> bool {
        matches!(self.to, To::Poisson { .. })
    }
}

impl Schedule {
    /// The schedule of requests that were moved, until `end_ns`.
    pub(super) fn moved(moved: Moved, end_ns: u64) -> Self {
        let mut spacing = Spacing::Moved(moved);
        let at_ns = spacing.instant(0, 0);
        Self { spacing, request: 0, at_ns, end_ns }
    }

    /// The schedule of `client` among `clients`, which together send `rate` requests per second until `end_ns`.
    pub(super) fn new(
        arrivals: Arrivals,
        rate: f64,
        clients: u32,
        client: u32,
        seed: u64,
        end_ns: u64,
    ) -> Self {
        let mut spacing = match arrivals {
            Arrivals::Periodic => Spacing::Periodic {
                clients: u64::from(clients),
                client: u64::from(client),
                rate_per_ns: rate / 1e9,
            },
            Arrivals::Poisson => {
                let mean_gap_ns = f64::from(clients) / rate * 1e9;
                let mean = Nanos(rounded(mean_gap_ns).max(1));
                let gap =
                    Sampler::new(&Distribution::Exponential(mean), Nanos(0), Nanos(u64::MAX >> 12));
                Spacing::Poisson { seed, client, gap, last: u64::MAX }
            }
        };
        let at_ns = spacing.instant(0, 0);
        Self { spacing, request: 0, at_ns, end_ns }
    }

    /// The same schedule up to `end_ns`, in which this request is the last one: Poisson gaps may be 0.
    pub(super) fn with_last(mut self, request: u64, end_ns: u64) -> Self {
        self.end_ns = end_ns;
        if let Spacing::Poisson { last, .. } = &mut self.spacing {
            *last = request;
        }
        self
    }

    /// Number and instant of the `n`-th request at or after `from_ns`, counted from 1, of a periodic schedule.
    pub(super) fn nth_from(&self, from_ns: u64, n: u64) -> (u64, u64) {
        let request = self.first_at_or_after(from_ns) + n - 1;
        (request, self.spacing.clone().instant(request, 0))
    }

    /// The next request's number and intended instant, if the plan has one more.
    #[inline]
    pub fn peek(&self) -> Option<(u64, u64)> {
        (self.at_ns < self.end_ns).then_some((self.request, self.at_ns))
    }

    /// Moves on to the request after.
    #[inline]
    pub fn advance(&mut self) {
        self.request += 1;
        self.at_ns = self.spacing.instant(self.request, self.at_ns);
    }

    /// How many of the requests from the next one on leave at or after `from_ns` and before `to_ns`.
    pub fn count_between(&self, from_ns: u64, to_ns: u64) -> u64 {
        let to_ns = to_ns.min(self.end_ns);
        let walked = match &self.spacing {
            Spacing::Periodic { .. } => false,
            Spacing::Poisson { .. } => true,
            Spacing::Moved(moved) => moved.is_poisson(),
        };
        if !walked {
            let end = self.first_at_or_after(to_ns);
            return end.saturating_sub(self.first_at_or_after(from_ns));
        }
        self.clone()
            .map(|(_, intended_ns)| intended_ns)
            .take_while(|intended_ns| *intended_ns < to_ns)
            .filter(|intended_ns| *intended_ns >= from_ns)
            .count() as u64
    }

    /// The first request from the next one on that leaves at or after `instant_ns`, in a schedule whose instants do not depend on
    /// one another.
    fn first_at_or_after(&self, instant_ns: u64) -> u64 {
        let mut spacing = self.spacing.clone();
        let (mut low, mut high) = (self.request, self.request.max(1));
        while spacing.instant(high, 0) < instant_ns {
            low = high;
            high *= 2;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if spacing.instant(middle, 0) < instant_ns {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Iterator for Schedule {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.peek();
        self.advance();
        item
    }
}

impl Spacing {
    /// The instant of `request`; `before_ns` is that of the request before it, or 0.
    #[inline]
    fn instant(&mut self, request: u64, before_ns: u64) -> u64 {
        match self {
            Self::Periodic { clients, client, rate_per_ns } => {
                // From the request's number and not from the one before: rounding never adds up to a drift.
                rounded((request * *clients + *client) as f64 / *rate_per_ns)
            }
            Self::Poisson { last, .. } if request > *last => u64::MAX,
            Self::Poisson { seed, client, gap, .. } => before_ns
                .saturating_add(gap.draw(DrawKey::new(*seed, *client, request), Purpose::Gap)),
            // Two numbers that differ by less than a rounding may be a nanosecond out of order.
            Self::Moved(moved) => moved.instant(request).max(before_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn schedules(arrivals: Arrivals, rate: f64, clients: u32, end_ns: u64) -> Vec<Schedule> {
        (0..clients)
            .map(|client| Schedule::new(arrivals, rate, clients, client, 42, end_ns))
            .collect()
    }

    #[test]
    fn the_example_sends_once_a_second_from_each_of_three_clients() {
        let instants: Vec<Vec<u64>> = schedules(Arrivals::Periodic, 3.0, 3, 5 * SECOND)
            .into_iter()
            .map(|schedule| schedule.map(|(_, intended_ns)| intended_ns).collect())
            .collect();
        assert_eq!(instants[0], [0, SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND]);
        assert_eq!(instants[1][0], 333_333_333, "phases are spread over the period");
        assert_eq!(instants.iter().map(Vec::len).sum::<usize>(), 15);
    }

    proptest! {
        #[test]
        fn any_second_of_a_periodic_load_has_the_rate(
            rate in 1.0..5_000.0_f64, clients in 1..40_u32, from in 0..3 * SECOND,
        ) {
            let sent = schedules(Arrivals::Periodic, rate, clients, 5 * SECOND)
                .into_iter()
                .flatten()
                .filter(|&(_, intended_ns)| (from..from + SECOND).contains(&intended_ns))
                .count() as f64;
            prop_assert!((sent - rate).abs() <= 1.0, "{sent} in a second at {rate}/s");
        }

        #[test]
        fn counting_agrees_with_walking(
            rate in 0.5..2_000.0_f64, clients in 1..5_u32, from in 0..4 * SECOND, to in 0..4 * SECOND,
            skip in 0..50_usize, poisson in any::<bool>(),
        ) {
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Periodic };
            for mut schedule in schedules(arrivals, rate, clients, 3 * SECOND) {
                for _ in 0..skip {
                    if schedule.peek().is_some() {
                        schedule.advance();
                    }
                }
                let walked = schedule.clone().filter(|(_, intended_ns)| (from..to).contains(intended_ns)).count() as u64;
                prop_assert_eq!(schedule.count_between(from, to), walked);
            }
        }
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let [schedule] = &schedules(Arrivals::Poisson, 1_000.0, 1, 30 * SECOND)[..] else {
            panic!("one client")
        };
        let instants: Vec<u64> = schedule.clone().map(|(_, intended_ns)| intended_ns).collect();
        assert!((29_000..31_000).contains(&instants.len()), "{}", instants.len());
        let above_mean =
            instants.windows(2).filter(|pair| pair[1] - pair[0] > 1_000_000).count() as f64;
        let share = above_mean / instants.len() as f64;
        // P(gap > mean) = 1/e.
        assert!((share - 0.3679).abs() < 0.01, "{share}");
    }
}
