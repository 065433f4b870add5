//! Conservation: for every engine the legs of each request add up to its response time, and every message has its place.

use super::bench::{Bench, Played, of};
use super::{Found, Kind};
use crate::Error;
use zload_core::{record::Trace, result::Figure};

pub(super) const KIND: Kind = Kind {
    name: "conservation",
    planted: "a random load on each proxy engine of our own, with 0 to 3 replies and random delays, every request followed",
    make,
};

const ENGINES: [&str; 3] = ["poll", "builtin", "batch"];

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let mut figures = Vec::new();
    for engine in ENGINES {
        let played = bench.play(&format!(
            "load = {{ rate = '500/s', arrivals = 'poisson' }}\nclients = {{ count = 5 }}\n\
             run = {{ duration = '1s', drain = '3s' }}\n\
             proxy.engine = '{engine}'\n\
             workers = {{ count = 8, replies = {{ uniform = [0, 3] }}, delay = {{ exponential = '2ms' }} }}"
        ))?;
        figures.extend(judge(engine, &Seen::of(&played)));
    }
    Ok(Found { figures, allowance: None })
}

/// What is known of one engine's run.
#[derive(Debug, Clone)]
struct Seen {
    planned: u64,
    accounted: u64,
    answered: u64,
    traces: Vec<Trace>,
}

impl Seen {
    fn of(played: &Played) -> Self {
        let ledger = &played.result.ledger;
        let adds_up = ledger.contradiction().is_none();
        Self {
            planned: played.planned(),
            accounted: if adds_up { ledger.requests_answered + ledger.requests_silent } else { 0 },
            answered: ledger.requests_answered,
            traces: played.traces(),
        }
    }
}

fn judge(engine: &str, seen: &Seen) -> Vec<Figure> {
    let broken = seen.traces.iter().filter(|trace| !adds_up(trace)).count() as u64;
    vec![
        Figure::exactly(&of(engine, "requests answered or silent"), seen.planned, seen.accounted),
        Figure::exactly(
            &of(engine, "answered requests followed"),
            seen.answered,
            seen.traces.len() as u64,
        ),
        Figure::exactly(&of(engine, "traces that do not add up"), 0, broken),
    ]
}

fn adds_up(trace: &Trace) -> bool {
    trace.is_ordered() && trace.legs().iter().flatten().sum::<u64>() == trace.response_ns()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zload_core::record::Timestamps;

    #[test]
    fn a_way_out_of_order_or_a_request_without_a_place_is_noticed() {
        let timestamps =
            Timestamps { worker_start_ns: 30, worker_reply_ns: 40, ..Timestamps::default() };
        let trace =
            Trace { intended_ns: 10, sent_ns: 20, timestamps, received_ns: 50, ..Trace::default() };
        let truth = Seen { planned: 3, accounted: 3, answered: 2, traces: vec![trace; 2] };
        let hold = |seen: &Seen| crate::selftest::hold(&judge("poll", seen));
        assert!(hold(&truth));
        assert!(!hold(&Seen { accounted: 2, ..truth.clone() }));
        assert!(!hold(&Seen { traces: vec![trace], ..truth.clone() }));
        let early = Trace { received_ns: 39, ..trace };
        assert!(!hold(&Seen { traces: vec![trace, early], ..truth }));
    }
}
