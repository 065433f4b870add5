//! A known stall: every request due in it must wait for its part of it.
//!
//! In a stall of S under a load with a request every g, the n-th request of the stall waits for S - n g. So of N requests
//! the p-th percentile, (1 - p) N requests below the longest, is S - (1 - p) N g.

use super::bench::{Bench, MS, Played};
use super::{Found, Kind};
use crate::Error;
use crate::server::planted::Fault;
use zload_report::result::Figure;
use zload_report::verdict::{SampledRequest, as_a_waiting_client};

pub(super) const KIND: Kind = Kind {
    name: "known stall",
    planted: "a server that stops for 400 ms under 1,000 requests per second: those due meanwhile wait from 400 ms down \
              to nothing",
    make,
};

const STALL_NS: u64 = 400 * MS;
const GAP_NS: u64 = MS;
const REQUESTS: u64 = 2_000;
const SCENARIO: &str = "load = { rate = '1k/s' }\nclients = { count = 1 }\nrun = { duration = '2s', drain = '3s' }\n\
                        sockets = { sndhwm = 0, rcvhwm = 0 }";

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// How long the server stalled by its own clock.
    stalled_ns: u64,
    answered: u64,
    p90_ns: Option<u64>,
    p99_ns: Option<u64>,
    max_ns: Option<u64>,
    /// Requests that took more than half the stall.
    slow: u64,
    /// The p99 that a client would have seen that waits for each reply.
    waiting_p99_ns: Option<u64>,
}

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let fault = Fault::Stall { after: REQUESTS / 4, for_ns: STALL_NS };
    let (played, witness) = bench.play_against(fault, SCENARIO)?;
    let allowance_ns = bench.allowance_ns(&played);
    let figures = judge(&Seen::of(&played, witness.stalled_ns), allowance_ns);
    Ok(Found { figures, allowance: Some((allowance_ns, STALL_NS / 8)) })
}

impl Seen {
    fn of(played: &Played, stalled_ns: u64) -> Self {
        let traces = played.traces();
        let requests: Vec<SampledRequest> = traces.iter().map(SampledRequest::from).collect();
        let response = &played.result.latency.first_reply;
        Self {
            stalled_ns,
            answered: played.result.ledger.requests_answered,
            p90_ns: response.p90_ns,
            p99_ns: response.p99_ns,
            max_ns: response.max_ns,
            slow: traces.iter().filter(|trace| trace.response_ns() > stalled_ns / 2).count() as u64,
            waiting_p99_ns: as_a_waiting_client(&requests).p99_ns,
        }
    }
}

fn judge(seen: &Seen, allowance_ns: u64) -> Vec<Figure> {
    let stalled_ns = seen.stalled_ns;
    // Those that waited are answered one after the other, which takes a little for each of them.
    let tolerance_ns = stalled_ns / 20 + allowance_ns;
    let near = |name: &str, below: u64, found: Option<u64>| {
        let expected_ns = stalled_ns.saturating_sub(below * GAP_NS);
        let least_ns = expected_ns.saturating_sub(tolerance_ns);
        Figure::time(name, least_ns, expected_ns + tolerance_ns, found)
    };
    let (slow, margin) = (stalled_ns / 2 / GAP_NS, tolerance_ns / GAP_NS);
    let few = slow.saturating_sub(margin);
    vec![
        Figure::exactly("requests answered", REQUESTS, seen.answered),
        Figure::time_from("stall by the server's clock", STALL_NS, Some(stalled_ns)),
        near("response time, maximum", 0, seen.max_ns),
        near("response time, p99", REQUESTS / 100, seen.p99_ns),
        near("response time, p90", REQUESTS / 10, seen.p90_ns),
        Figure::count("requests slower than half the stall", few, slow + margin, seen.slow),
        Figure::time_to("p99 of a client that waits", stalled_ns / 4, seen.waiting_p99_ns),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUE: Seen = Seen {
        stalled_ns: 400 * MS,
        answered: REQUESTS,
        p90_ns: Some(200 * MS),
        p99_ns: Some(380 * MS),
        max_ns: Some(400 * MS),
        slow: 200,
        waiting_p99_ns: Some(MS),
    };

    #[test]
    fn figures_with_omission_do_not_hold() {
        let hold = |seen: Seen| crate::selftest::hold(&judge(&seen, MS));
        assert!(hold(TRUE));
        assert!(!hold(Seen { answered: REQUESTS - 1, ..TRUE }));
        assert!(!hold(Seen { stalled_ns: 300 * MS, ..TRUE }), "it did not stall as planted");
        // What a tool says that starts the clock when it can send: one slow request of some 1,600.
        let (quick, one) = (Some(MS), 1);
        assert!(!hold(Seen { p90_ns: quick, ..TRUE }) && !hold(Seen { p99_ns: quick, ..TRUE }));
        assert!(!hold(Seen { slow: one, ..TRUE }) && !hold(Seen { max_ns: quick, ..TRUE }));
        // What a tool says that corrects what needs no correction: twice as many slow requests.
        assert!(!hold(Seen { p90_ns: Some(300 * MS), slow: 400, ..TRUE }));
        assert!(!hold(Seen { waiting_p99_ns: Some(380 * MS), ..TRUE }), "omission must show");
        assert!(!hold(Seen { p99_ns: None, ..TRUE }));
    }
}
