//! A closed load whose clients turn in lockstep: its rate is clients over cycle, however the window cuts the rounds.

use super::bench::Bench;
use super::{Found, Kind};
use crate::Error;
use zload_core::quantity::rounded;
use zload_report::result::{Figure, Throughput};

pub(super) const KIND: Kind = Kind {
    name: "lockstep rate",
    planted: "8 clients in a closed load and workers that wait for 100 ms, in a window of 3.5 rounds. Counting whole rounds would give a seventh more requests and a seventh fewer replies than Little's law",
    make,
};

const CLIENTS: f64 = 8.0;
/// A rate may be off by one part in this many: less than half of the error that whole rounds make.
const ALLOWED: u64 = 20;

/// Without warm-up all clients start at once, so that nothing but the shares of their cycles makes the rates right.
const SCENARIO: &str = "load = { model = 'closed', in_flight = 1 }\nclients = { count = 8 }\nrun = { duration = '350ms' }\n\
                        proxy.engine = 'batch'\n\
                        workers = { count = 8, replies = 1, delay = '100ms' }";

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let played = bench.play(SCENARIO)?;
    let mean_ns = played.result.latency.first_reply.mean_ns.and_then(|ns| u64::try_from(ns).ok());
    let figures = judge(&played.result.throughput, mean_ns.unwrap_or(0));
    Ok(Found { figures, allowance: None })
}

/// Judges the cycle that each rate stands for by the cycles that were measured, which a stall of the machine makes longer.
fn judge(throughput: &Throughput, mean_ns: u64) -> Vec<Figure> {
    let cycle = |name: &str, per_s: f64| {
        let (least_ns, most_ns) = (mean_ns - mean_ns / ALLOWED, mean_ns + mean_ns / ALLOWED);
        Figure::time(name, least_ns, most_ns, (per_s > 0.0).then(|| rounded(CLIENTS / per_s * 1e9)))
    };
    vec![
        cycle("clients by requests per second", throughput.requests_per_s),
        cycle("clients by replies per second", throughput.replies_per_s),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_rounds_are_noticed() {
        let hold = |requests_per_s, replies_per_s| {
            let throughput = Throughput { requests_per_s, replies_per_s, ..Throughput::default() };
            crate::selftest::hold(&judge(&throughput, 100_000_000))
        };
        assert!(hold(80.0, 80.0) && hold(77.0, 83.0));
        assert!(!hold(32.0 / 0.35, 80.0), "four rounds of requests");
        assert!(!hold(80.0, 24.0 / 0.35), "three rounds of replies");
        assert!(!hold(0.0, 0.0), "nothing");
    }
}
