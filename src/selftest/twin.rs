//! The simulation against the closed forms of queueing theory: a pure function of its seed, the same on every machine.
//!
//! The formulas are those of Kleinrock, "Queueing Systems", volume 1 (1975), chapters 3 and 5.7.

use super::bench::Bench;
use super::{Found, Kind};
use crate::Error;
use zload_core::twin::{Ideal, Limits, Policy, Pool, ideal};
use zload_core::{plan::Plan, quantity::rounded, scenario::Scenario};
use zload_report::result::Figure;

pub(super) const KIND: Kind = Kind {
    name: "lower bound",
    planted: "150,000 Poisson requests to one worker at 60 % utilisation, with exponential (M/M/1) and constant work (M/D/1), compared with the formulas",
    make,
};

const REQUESTS: u64 = 150_000;
/// Requests per second, and how many a worker with 2 ms of work can serve.
const LAMBDA: f64 = 300.0;
const MU: f64 = 500.0;

#[derive(Debug, Clone, Copy)]
struct Seen {
    requests: u64,
    exponential_mean: f64,
    exponential_p99_ns: Option<u64>,
    constant_mean: f64,
}

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let limits = Limits { stop: bench.interrupted, ..Limits::none() };
    let exponential = ideal_with("{ exponential = '2ms' }", limits)?;
    let constant = ideal_with("'2ms'", limits)?;
    let seen = Seen {
        requests: exponential.requests,
        exponential_mean: exponential.reply.histogram().mean(),
        exponential_p99_ns: exponential.reply.percentile(0.99),
        constant_mean: constant.reply.histogram().mean(),
    };
    Ok(Found { figures: judge(&seen), allowance: None })
}

fn ideal_with(delay: &str, limits: Limits<'_>) -> Result<Ideal, Error> {
    let text = format!(
        "seed = 1\nload = {{ rate = '300/s', arrivals = 'poisson' }}\nclients = {{ count = 10 }}\n\
         run = {{ duration = '500s' }}\nworkers = {{ count = 1, delay = {delay} }}"
    );
    let plan = Plan::new(&Scenario::parse("selftest", &text, &[])?);
    ideal(&plan, Pool { workers: 1, policy: Policy::RoundRobin }, limits)
        .map_err(|reason| Error::Failed(reason.to_string()))
}

fn judge(seen: &Seen) -> Vec<Figure> {
    // M/M/1: the response time is exponential with mean 1/(mu - lambda).
    let mean = 1e9 / (MU - LAMBDA);
    // M/D/1, by Pollaczek and Khinchine: a mean wait of rho / (2 mu (1 - rho)), and then 1/mu of work.
    let rho = LAMBDA / MU;
    let constant = (rho / (2.0 * MU * (1.0 - rho)) + 1.0 / MU) * 1e9;
    // The mean of n successive waits in M/M/1 varies by rho (2 + 5 rho - 4 rho^2 + rho^3) / (mu^2 (1 - rho)^4 n) (Whitt,
    // "Planning queueing simulations", 1989): here by 1 % of the mean, of which these are three.
    let near = |name: &str, expected: f64, error: f64, seen: Option<u64>| {
        let [least_ns, most_ns] = [1.0 - error, 1.0 + error].map(|of| rounded(expected * of));
        Figure::time(name, least_ns, most_ns, seen)
    };
    let whole = |value: f64| Some(rounded(value));
    // A Poisson count of 150,000 varies by 387.
    let margin = 4 * REQUESTS.isqrt();
    vec![
        Figure::count("requests", REQUESTS - margin, REQUESTS + margin, seen.requests),
        near("M/M/1: mean response", mean, 0.03, whole(seen.exponential_mean)),
        near("M/M/1: p99", mean * 100.0_f64.ln(), 0.06, seen.exponential_p99_ns),
        near("M/D/1: mean response", constant, 0.03, whole(seen.constant_mean)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUE: Seen = Seen {
        requests: REQUESTS,
        exponential_mean: 5e6,
        exponential_p99_ns: Some(23_025_851),
        constant_mean: 3.5e6,
    };

    #[test]
    fn a_twin_that_errs_by_a_tenth_is_noticed() {
        let hold = |seen: Seen| crate::selftest::hold(&judge(&seen));
        assert!(hold(TRUE));
        assert!(!hold(Seen { requests: 140_000, ..TRUE }));
        assert!(!hold(Seen { exponential_mean: 5.5e6, ..TRUE }));
        assert!(!hold(Seen { exponential_p99_ns: Some(20_700_000), ..TRUE }));
        assert!(!hold(Seen { constant_mean: 3.85e6, ..TRUE }));
        assert!(!hold(Seen { constant_mean: 5e6, ..TRUE }), "constant work taken for exponential");
    }
}
