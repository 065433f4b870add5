//! A starved generator: a rate that no core can send must be named as what was not sent, and a light load must not.

use super::bench::{Bench, MS};
use super::{Found, Kind};
use crate::Error;
use crate::server::planted::Fault;
use zload_core::record::Ledger;
use zload_report::result::{Figure, RunResult};
use zload_report::verdict::{CheckStatus, Status};

pub(super) const KIND: Kind = Kind {
    name: "starved generator",
    planted: "10 million requests per second from one driver, more than a core can send, to a server that never replies; then a load of 200 per second",
    make,
};

/// The server never answers, and nothing waits for replies.
const SWALLOW: Fault = Fault::LoseAndDouble { lose_every: 1, double_every: 1 };
/// Without high-water marks nothing holds the driver back but itself.
const TOO_MUCH: &str = "load = { rate = '10M/s', payload = '24B' }\nclients = { count = 1, threads = 1 }\n\
                        run = { duration = '200ms', drain = '100ms' }\nworkers = { replies = 0 }\n\
                        sockets = { sndhwm = 0, rcvhwm = 0 }";
const PLANNED: u64 = 2_000_000;
const LIGHT: &str = "load = { rate = '200/s' }\nclients = { count = 1 }\nrun = { duration = '1s' }";

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let (starved, _) = bench.play_against(SWALLOW, TOO_MUCH)?;
    let (light, _) = bench.play_against(Fault::None, LIGHT)?;
    let allowance = Some((bench.allowance_ns(&light), 10 * MS));
    let RunResult { ledger, latency, .. } = &starved.result;
    let named = [&starved, &light].map(|played| names_the_generator(&played.result));
    Ok(Found { figures: judge(ledger, latency.slip.p50_ns, named), allowance })
}

/// Whether the verdict says that the generator did not send what was planned, when it was planned.
fn names_the_generator(result: &RunResult) -> bool {
    const CHECKS: [&str; 3] = ["slip", "delivered_rate", "generator_saturated"];
    let failed = result.verdict.checks.iter().filter(|check| check.status == CheckStatus::Fail);
    result.verdict.status == Status::Invalid
        && failed.into_iter().any(|check| CHECKS.contains(&check.name.as_str()))
}

/// Judges the starved run, and whether the generator is named as the limit in it and in the light one.
fn judge(starved: &Ledger, slip_p50_ns: Option<u64>, named: [bool; 2]) -> Vec<Figure> {
    let Ledger { requests_planned, requests_sent, requests_unsent, .. } = *starved;
    vec![
        Figure::exactly("requests planned", PLANNED, requests_planned),
        Figure::exactly("requests sent and unsent", PLANNED, requests_sent + requests_unsent),
        Figure::count("requests unsent", PLANNED / 100, PLANNED - 1, requests_unsent),
        Figure::time_from("send delay, median", MS, slip_p50_ns),
        Figure::truth("the generator is named as the limit", true, named[0]),
        Figure::truth("it is named under the light load", false, named[1]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_that_was_late_is_named_and_no_other() {
        let hold = |unsent, late_ns, named| {
            let ledger = Ledger {
                requests_planned: PLANNED,
                requests_sent: PLANNED - unsent,
                requests_unsent: unsent,
                ..Ledger::default()
            };
            crate::selftest::hold(&judge(&ledger, Some(late_ns), named))
        };
        let (half, late_ns) = (PLANNED / 2, 50 * MS);
        assert!(hold(half, late_ns, [true, false]));
        assert!(!hold(0, late_ns, [true, false]), "it claims to have sent all of it");
        assert!(!hold(half, 1_000, [true, false]), "it claims that what left was in time");
        assert!(!hold(half, late_ns, [true, true]), "it blames itself where there is no cause");
        assert!(!hold(half, late_ns, [false, false]), "it says nothing of it");
    }
}
