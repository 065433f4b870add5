//! The load in figures: what a plan will offer, before it runs. Pure.

use super::Offered;
use crate::scenario::{Distribution, Scenario};

/// The load in figures, for a reader who decides whether to run it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Requests per second of an open load, over all clients; on average, if it changes.
    pub requests_per_s: Option<f64>,
    /// The same where it is highest.
    pub peak_per_s: Option<f64>,
    /// Requests that the plan has after warm-up (on average, if arrivals are Poisson); `None` of a closed load that a time ends.
    pub requests: Option<f64>,
    /// Requests that a closed load keeps in flight, over all clients.
    pub in_flight: Option<u64>,
    /// Replies per request, on average.
    pub replies_mean: f64,
    /// Time a worker is planned to be busy with one request, on average, in nanoseconds.
    pub work_ns_mean: f64,
    /// Think time of a closed load before each request, on average, in nanoseconds.
    pub think_ns_mean: f64,
    /// Share of our workers that an open load keeps busy; above 1 the queue grows without end.
    pub utilisation: Option<f64>,
}

impl Summary {
    /// More requests per second than this load can send, over all clients: a closed load without delays or think time
    /// is taken to need at least 30 µs for each of the requests in flight, and a million a second to be the most.
    pub fn most_requests_per_s(&self) -> f64 {
        let in_flight = self.in_flight.unwrap_or(0) as f64;
        let slots_turn_in_ns = (self.work_ns_mean + self.think_ns_mean).max(30_000.0);
        self.peak_per_s.unwrap_or_else(|| (in_flight / slots_turn_in_ns * 1e9).min(1e6))
    }

    /// The figures of a load that reaches `peak_per_s` if it changes.
    pub(super) fn new(scenario: &Scenario, offered: &Offered, peak_per_s: Option<f64>) -> Self {
        let replies_mean = scenario.workers.replies.mean();
        let work_ns_mean = scenario.work_ns_mean();
        let (requests_per_s, in_flight) = match offered {
            Offered::Open { rate, .. } => (Some(*rate), None),
            Offered::Closed { in_flight, .. } => {
                (None, Some(u64::from(*in_flight) * u64::from(scenario.clients.count.0)))
            }
        };
        Self {
            requests_per_s,
            peak_per_s: peak_per_s.or(requests_per_s),
            requests: match scenario.load.requests {
                Some(requests) => Some(f64::from(requests.0)),
                None => requests_per_s
                    .zip(scenario.duration())
                    .map(|(rate, lasts)| rate * lasts.as_secs_f64()),
            },
            in_flight,
            replies_mean,
            work_ns_mean,
            think_ns_mean: think_ns_mean(scenario),
            utilisation: requests_per_s
                .filter(|_| scenario.has_workers())
                .map(|rate| rate * work_ns_mean / 1e9 / f64::from(scenario.workers.count.0)),
        }
    }
}

/// Think time of a closed load before each request, on average, in nanoseconds.
pub(super) fn think_ns_mean(scenario: &Scenario) -> f64 {
    scenario.load.think.as_ref().map_or(0.0, Distribution::mean)
}
