//! A known delay: it must be in the response time, in the worker's leg, and in no other.

use super::bench::{Bench, MS, median};
use super::{Found, Kind};
use crate::Error;
use zload_core::record::{Leg, Trace};
use zload_report::result::Figure;

pub(super) const KIND: Kind = Kind {
    name: "known delay",
    planted: "workers that wait for 20 ms before each reply, under a load that never makes them queue",
    make,
};

const DELAY_NS: u64 = 20 * MS;

/// Each of the five workers gets a request every 100 ms.
const SCENARIO: &str = "load = { rate = '50/s' }\nclients = { count = 1 }\nrun = { duration = '2s', warmup = '200ms' }\n\
                        proxy.engine = 'batch'\n\
                        workers = { count = 5, replies = 1, delay = '20ms' }";

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let played = bench.play(SCENARIO)?;
    let allowance_ns = bench.allowance_ns(&played);
    let answered = played.result.ledger.requests_answered;
    let response = &played.result.latency.first_reply;
    let mut figures = vec![Figure::exactly("requests answered", played.planned(), answered)];
    figures.extend(judge((response.min_ns, response.p50_ns), &played.traces(), allowance_ns));
    Ok(Found { figures, allowance: Some((allowance_ns, DELAY_NS / 2)) })
}

/// Judges the least and the median response time, and where the time of the requests went.
fn judge(
    (least_ns, median_ns): (Option<u64>, Option<u64>),
    traces: &[Trace],
    allowance_ns: u64,
) -> Vec<Figure> {
    let in_worker = traces.iter().map(in_worker_ns);
    let elsewhere = |trace: &Trace| trace.response_ns().saturating_sub(in_worker_ns(trace));
    let elsewhere = median(traces.iter().map(elsewhere).collect());
    // Histograms keep three digits, and a median stands for all that share them.
    let most_ns = DELAY_NS + DELAY_NS / 1_000 + allowance_ns;
    vec![
        Figure::time_from("response time, minimum", DELAY_NS, least_ns),
        Figure::time("response time, median", DELAY_NS, most_ns, median_ns),
        Figure::time_from("in_worker, minimum", DELAY_NS, in_worker.clone().min()),
        Figure::time("in_worker, median", DELAY_NS, most_ns, median(in_worker.collect())),
        Figure::time_to("all other legs together, median", allowance_ns, elsewhere),
    ]
}

fn in_worker_ns(trace: &Trace) -> u64 {
    trace.legs()[Leg::InWorker as usize].unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zload_core::record::Timestamps;

    /// A request that takes these nanoseconds to its worker, in it, and back.
    fn trace(there_ns: u64, in_worker_ns: u64, back_ns: u64) -> Trace {
        let start_ns = 1_000 + there_ns;
        Trace {
            intended_ns: 1_000,
            sent_ns: 1_000,
            timestamps: Timestamps {
                worker_start_ns: start_ns,
                worker_reply_ns: start_ns + in_worker_ns,
                ..Timestamps::default()
            },
            received_ns: start_ns + in_worker_ns + back_ns,
            ..Trace::default()
        }
    }

    #[test]
    fn the_delay_must_be_where_it_was_planted() {
        let hold = |traces: &[Trace]| {
            let responses = || traces.iter().map(Trace::response_ns);
            let seen = (responses().min(), median(responses().collect()));
            crate::selftest::hold(&judge(seen, traces, MS))
        };
        let right =
            [trace(100_000, DELAY_NS, 100_000), trace(100_000, DELAY_NS + 400_000, 100_000)];
        assert!(hold(&right));
        assert!(!hold(&[]), "nothing seen is nothing proven");
        assert!(!hold(&[trace(100_000, DELAY_NS - 1, 100_000)]), "shorter than it was");
        assert!(!hold(&[trace(100_000, DELAY_NS + 2 * MS, 100_000)]), "longer than it was");
        assert!(!hold(&[trace(MS, DELAY_NS, MS)]), "in other legs");
        assert!(!hold(&[trace(DELAY_NS / 2, DELAY_NS / 2, 0)]), "in the wrong leg");
        let recorded = |ns| crate::selftest::hold(&judge((Some(ns), Some(ns)), &right, MS));
        assert!(recorded(DELAY_NS) && !recorded(DELAY_NS - 1) && !recorded(DELAY_NS + 3 * MS));
    }
}
