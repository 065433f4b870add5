//! A closed load whose clients turn in lockstep: its rate is clients over cycle, however the window cuts the rounds.

use super::bench::{Bench, MS};
use super::{Found, Kind};
use crate::Error;
use crate::result::{Figure, Throughput};

pub(super) const KIND: Kind = Kind {
    name: "lockstep rate",
    planted: "8 clients that send again when they are answered, and workers that wait for 100 ms, in a window of three \
              and a half rounds: whole rounds would be 91 requests and 69 replies a second, and the truth is 80 of each",
    make,
};

const CLIENTS: f64 = 8.0;
const DELAY_NS: u64 = 100 * MS;

/// Without warm-up all clients begin at once, so that nothing but the shares of their cycles makes the rates right.
const SCENARIO: &str = "load = { model = 'closed', in_flight = 1 }\nclients = { count = 8 }\nrun = { duration = '350ms' }\n\
                        proxy = { engine = 'batch', frontend = 'tcp://127.0.0.1:*' }\n\
                        workers = { count = 8, replies = 1, delay = '100ms' }";

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let played = bench.play(SCENARIO)?;
    let allowance_ns = bench.allowance_ns(&played);
    let figures = judge(&played.result.throughput, allowance_ns);
    Ok(Found { figures, allowance: Some((allowance_ns, DELAY_NS / 10)) })
}

/// Judges the cycle that each rate stands for.
fn judge(throughput: &Throughput, allowance_ns: u64) -> Vec<Figure> {
    let cycle = |name: &str, per_s: f64| {
        let most_ns = DELAY_NS + allowance_ns;
        Figure::time(name, DELAY_NS, most_ns, (per_s > 0.0).then(|| nanos(CLIENTS / per_s * 1e9)))
    };
    vec![
        cycle("clients by requests per second", throughput.requests_per_s),
        cycle("clients by replies per second", throughput.replies_per_s),
    ]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, as a time that is far too long"
)]
fn nanos(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(requests_per_s: f64, replies_per_s: f64) -> bool {
        let throughput = Throughput { requests_per_s, replies_per_s, ..Throughput::default() };
        judge(&throughput, 5 * MS).iter().all(|figure| figure.holds)
    }

    #[test]
    fn whole_rounds_are_noticed() {
        assert!(hold(80.0, 80.0) && hold(77.0, 79.0));
        assert!(!hold(32.0 / 0.35, 80.0), "four rounds of requests");
        assert!(!hold(80.0, 24.0 / 0.35), "three rounds of replies");
        assert!(!hold(80.0, 81.0), "more than can be");
        assert!(!hold(0.0, 0.0), "nothing");
    }
}
