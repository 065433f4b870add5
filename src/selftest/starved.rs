//! A starved generator: a rate that no core can send must be named as what was not sent, and a light load must not.

use super::bench::{Bench, MS};
use super::{Found, Kind};
use crate::Error;
use crate::result::{Figure, RunResult};
use crate::scenario::Sockets;
use crate::topology::planted::Fault;

pub(super) const KIND: Kind = Kind {
    name: "starved generator",
    planted: "10 million requests per second from one driver, which no core can send, to a server that only takes; then a \
              load of 200 per second",
    make,
};

/// What the server takes it never answers, and nobody waits for that.
const SWALLOW: Fault = Fault::LoseAndDouble { lose_every: 1, double_every: 1 };
/// Without high-water marks nothing holds the driver back but itself.
const TOO_MUCH: &str = "load = { rate = '10M/s', payload = '24B' }\nclients = { count = 1, threads = 1 }\n\
                        run = { duration = '200ms', drain = '100ms' }\nworkers = { replies = 0 }\n\
                        sockets = { sndhwm = 0, rcvhwm = 0 }";
const PLANNED: u64 = 2_000_000;
const LIGHT: &str = "load = { rate = '200/s' }\nclients = { count = 1 }\nrun = { duration = '1s' }";

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let options = Sockets { sndhwm: Some(0), rcvhwm: Some(0), ..Sockets::default() };
    let (starved, _) = bench.play_against(SWALLOW, &options, TOO_MUCH)?;
    let (light, _) = bench.play_against(Fault::None, &options, LIGHT)?;
    Ok(Found {
        figures: judge(&starved.result, &light.result),
        allowance: Some((bench.allowance_ns(&light), 10 * MS)),
    })
}

fn judge(starved: &RunResult, light: &RunResult) -> Vec<Figure> {
    let ledger = &starved.ledger;
    vec![
        Figure::exactly("requests planned", PLANNED, ledger.requests_planned),
        Figure::exactly(
            "requests sent and unsent",
            PLANNED,
            ledger.requests_sent + ledger.requests_unsent,
        ),
        Figure::count("requests unsent", PLANNED / 100, PLANNED - 1, ledger.requests_unsent),
        Figure::time_from("lateness, median", MS, starved.latency.slip.p50_ns),
        Figure::truth("the generator is named", true, names_the_generator(starved)),
        Figure::truth("it is named under the light load", false, names_the_generator(light)),
    ]
}

/// Whether a result says that the generator did not send what was planned, when it was planned: requests did not leave at
/// all, or most left later than a hundredth of the window.
fn names_the_generator(result: &RunResult) -> bool {
    let ledger = &result.ledger;
    let unsent = ledger.requests_unsent * 1_000 > ledger.requests_planned;
    let late = result.latency.slip.p50_ns.is_some_and(|ns| ns > result.throughput.window_ns / 100);
    unsent || late
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Ledger;
    use crate::selftest::bench::tests::result;

    /// A result of which so many requests did not leave, and the others this late.
    fn seen(unsent: u64, late_ns: u64) -> RunResult {
        let mut result = result(&[late_ns; 100]);
        result.ledger = Ledger {
            requests_planned: PLANNED,
            requests_sent: PLANNED - unsent,
            requests_unsent: unsent,
            ..Ledger::default()
        };
        result.throughput.window_ns = 200 * MS;
        result
    }

    #[test]
    fn a_generator_that_was_late_is_named_and_no_other() {
        let hold = |starved, light| judge(&starved, &light).iter().all(|figure| figure.holds);
        let (starved, light) = (seen(PLANNED / 2, 50 * MS), seen(0, 1_000));
        assert!(hold(starved.clone(), light.clone()));
        assert!(!hold(seen(0, 1_000), light.clone()), "it claims to have sent all of it, in time");
        assert!(!hold(seen(0, 50 * MS), light.clone()), "it claims to have sent all of it");
        assert!(!hold(seen(PLANNED / 2, 1_000), light), "it claims that what left was in time");
        assert!(
            !hold(starved, seen(0, 20 * MS)),
            "it blames itself where there is nothing to blame"
        );
    }
}
