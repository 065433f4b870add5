//! A known delay: it must be in the response time, in the worker's leg, and in no other.

use super::bench::{Bench, MS, median};
use super::{Found, Kind};
use crate::Error;
use crate::measure::{Leg, Way};
use crate::result::Figure;

pub(super) const KIND: Kind = Kind {
    name: "known delay",
    planted: "workers that wait for 20 ms before each reply, under a load that never makes them queue",
    make,
};

const DELAY_NS: u64 = 20 * MS;

/// Each of the five workers gets a request every 100 ms.
const SCENARIO: &str = "load = { rate = '50/s' }\nclients = { count = 1 }\nrun = { duration = '2s', warmup = '200ms' }\n\
                        proxy = { engine = 'batch', frontend = 'tcp://127.0.0.1:*' }\n\
                        workers = { count = 5, replies = 1, delay = '20ms' }";

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let played = bench.play(SCENARIO)?;
    let allowance_ns = bench.allowance_ns(&played);
    let mut figures = vec![Figure::exactly(
        "requests answered",
        played.planned(),
        played.result.ledger.requests_answered,
    )];
    figures.extend(judge(&played.ways(), allowance_ns));
    Ok(Found { figures, allowance: Some((allowance_ns, DELAY_NS / 2)) })
}

fn judge(ways: &[Way], allowance_ns: u64) -> Vec<Figure> {
    let in_worker_ns = |way: &Way| way.legs()[Leg::InWorker as usize].unwrap_or(0);
    let middle = |of: &dyn Fn(&Way) -> u64| median(ways.iter().map(of).collect());
    let most_ns = DELAY_NS + allowance_ns;
    vec![
        Figure::time_from(
            "response time, least",
            DELAY_NS,
            ways.iter().map(Way::response_ns).min(),
        ),
        Figure::time("response time, median", DELAY_NS, most_ns, middle(&Way::response_ns)),
        Figure::time_from("in_worker, least", DELAY_NS, ways.iter().map(in_worker_ns).min()),
        Figure::time("in_worker, median", DELAY_NS, most_ns, middle(&in_worker_ns)),
        Figure::time_to(
            "all other legs together, median",
            allowance_ns,
            middle(&|way| way.response_ns().saturating_sub(in_worker_ns(way))),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Stamps;

    /// A request that takes these nanoseconds to its worker, in it, and back.
    fn way(there_ns: u64, in_worker_ns: u64, back_ns: u64) -> Way {
        let start_ns = 1_000 + there_ns;
        Way {
            intended_ns: 1_000,
            sent_ns: 1_000,
            stamps: Stamps {
                worker_start_ns: start_ns,
                worker_reply_ns: start_ns + in_worker_ns,
                ..Stamps::default()
            },
            received_ns: start_ns + in_worker_ns + back_ns,
            ..Way::default()
        }
    }

    fn hold(ways: &[Way]) -> bool {
        judge(ways, MS).iter().all(|figure| figure.holds)
    }

    #[test]
    fn the_delay_must_be_where_it_was_planted() {
        assert!(hold(&[
            way(100_000, DELAY_NS, 100_000),
            way(100_000, DELAY_NS + 400_000, 100_000)
        ]));
        assert!(!hold(&[]), "nothing seen is nothing proven");
        assert!(!hold(&[way(100_000, DELAY_NS - 1, 100_000)]), "shorter than it was");
        assert!(!hold(&[way(100_000, DELAY_NS + 2 * MS, 100_000)]), "longer than it was");
        assert!(!hold(&[way(MS, DELAY_NS, MS)]), "in other legs");
        assert!(!hold(&[way(DELAY_NS / 2, DELAY_NS / 2, 0)]), "in the wrong leg");
    }
}
