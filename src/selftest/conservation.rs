//! Conservation: for every engine the legs of each request add up to its response time, and every message has its place.

use super::bench::Bench;
use super::{Found, Kind};
use crate::Error;
use zload_core::record::{Ledger, Trace};
use zload_report::result::Figure;

pub(super) const KIND: Kind = Kind {
    name: "conservation",
    planted: "a random load on each built-in proxy engine, with 0 to 3 replies and random delays, every request traced",
    make,
};

const ENGINES: [&str; 4] = ["poll", "builtin", "batch", "lru"];

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let mut figures = Vec::new();
    for engine in ENGINES {
        let played = bench.play(&format!(
            "load = {{ rate = '500/s', arrivals = 'poisson' }}\nclients = {{ count = 5 }}\n\
             run = {{ duration = '1s', drain = '3s' }}\n\
             proxy.engine = '{engine}'\n\
             workers = {{ count = 8, replies = {{ uniform = [0, 3] }}, delay = {{ exponential = '2ms' }} }}"
        ))?;
        let ledger = &played.result.ledger;
        figures.extend(judge(engine, played.planned(), ledger, &played.traces()));
    }
    Ok(Found { figures, allowance: None })
}

fn judge(engine: &str, planned: u64, ledger: &Ledger, traces: &[Trace]) -> Vec<Figure> {
    let broken = traces.iter().filter(|trace| !adds_up(trace)).count() as u64;
    let answered = ledger.requests_answered;
    let placed = match ledger.contradiction() {
        None => answered + ledger.requests_silent,
        Some(_) => 0,
    };
    let figure =
        |name, expected, seen| Figure::exactly(&format!("{engine}: {name}"), expected, seen);
    vec![
        figure("requests answered or silent", planned, placed),
        figure("answered requests traced", answered, traces.len() as u64),
        figure("traces that do not add up", 0, broken),
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
        let ledger = Ledger {
            requests_planned: 3,
            requests_sent: 3,
            requests_answered: 2,
            requests_silent: 1,
            replies_expected: 2,
            replies_received: 2,
            ..Ledger::default()
        };
        let hold = |planned, ledger: Ledger, traces: &[Trace]| {
            crate::selftest::hold(&judge("poll", planned, &ledger, traces))
        };
        assert!(hold(3, ledger, &[trace; 2]));
        assert!(!hold(4, ledger, &[trace; 2]) && !hold(3, ledger, &[trace]));
        assert!(!hold(3, Ledger { replies_received: 3, ..ledger }, &[trace; 2]));
        let early = Trace { received_ns: 39, ..trace };
        assert!(!hold(3, ledger, &[trace, early]));
    }
}
