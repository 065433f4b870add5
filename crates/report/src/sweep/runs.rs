//! What a sweep keeps of a run.

use std::collections::BTreeMap;

use crate::result::{Outcome, RunResult, SweepRun, figures, to_value};
use crate::verdict::CheckStatus;

/// Figures that are kept of every run, by their names in the catalogue, besides those that are asked for.
pub const FIGURES_OF_A_RUN: [&str; 21] = [
    "throughput.requests_per_s",
    "throughput.replies_per_s",
    "latency.first_reply.mean",
    "latency.first_reply.p50",
    "latency.first_reply.p90",
    "latency.first_reply.p99",
    "latency.first_reply.max",
    "ideal.first_reply.mean",
    "ideal.first_reply.p50",
    "ideal.first_reply.p90",
    "ideal.first_reply.p99",
    "ideal.utilisation",
    "ledger.requests_unsent",
    "ledger.requests_lost",
    "ledger.lost_ratio",
    "proxy.busy_ratio",
    "proxy.cpu_ns_per_message",
    "server.busy_ratio",
    "server.cpu_ns_per_message",
    "generator.driver_busy_ratio",
    "generator.driver_cpu_ns_per_request",
];

/// What is kept of this run, with the figures `y`, too.
pub fn run_of(result: &RunResult, y: &[String]) -> SweepRun {
    let object = to_value(result);
    let names = FIGURES_OF_A_RUN.into_iter().chain(y.iter().map(String::as_str));
    let mut kept = BTreeMap::new();
    let mut uncertain = Vec::new();
    for figure in names.filter_map(figures::named) {
        let Some(value) = figures::number(&object, figure.name) else { continue };
        if kept.insert(figure.name.to_owned(), value).is_none() && figure.is_uncertain(&object) {
            uncertain.push(figure.name.to_owned());
        }
    }
    let failed = || result.verdict.checks.iter().filter(|check| check.status == CheckStatus::Fail);
    let outcome = Outcome::of(result);
    let by_checks = || {
        let facts: Vec<&str> = failed().map(|check| fact(&check.sentence)).collect();
        (!facts.is_empty()).then(|| facts.join("; "))
    };
    let warned = || {
        let mut checks = result.verdict.checks.iter();
        checks.find(|check| check.name == "backlog").map(|check| fact(&check.sentence).to_owned())
    };
    let why = result.failure.clone().or_else(by_checks).or_else(warned);
    SweepRun {
        number: 0,
        pass: 0,
        seed: result.seed,
        outcome,
        why: why.filter(|_| outcome != Outcome::Ok),
        verdict: Some(result.verdict.status),
        checks_failed: failed().map(|check| check.name.clone()).collect(),
        missed: result.thresholds.iter().filter(|of| !of.met).map(|of| of.limit.clone()).collect(),
        achieved_per_s: achieved(result),
        figures: kept,
        uncertain,
    }
}

/// A run that gave no result, for this reason.
pub fn failed_run(seed: u64, why: String) -> SweepRun {
    SweepRun {
        number: 0,
        pass: 0,
        seed,
        outcome: Outcome::Void,
        why: Some(why),
        verdict: None,
        checks_failed: Vec::new(),
        missed: Vec::new(),
        achieved_per_s: None,
        figures: BTreeMap::new(),
        uncertain: Vec::new(),
    }
}

/// What a check found, without the advice behind it and what it explains besides.
fn fact(sentence: &str) -> &str {
    let first = sentence.split_once(". ").map_or(sentence, |(first, _)| first);
    first.rsplit_once(": ").map_or(first, |(fact, _)| fact)
}

/// Requests per second whose replies came within the window: replies per second by the replies that a request has.
fn achieved(result: &RunResult) -> Option<f64> {
    let ledger = &result.ledger;
    (ledger.replies_expected > 0 && ledger.requests_sent > 0).then(|| {
        let replies_each = ledger.replies_expected as f64 / ledger.requests_sent as f64;
        result.throughput.replies_per_s / replies_each
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_fact_without_advice() {
        for (sentence, expected) in [
            ("2 CPUs were busy: free them. Or use others", "2 CPUs were busy"),
            (
                "unstable: 9/s expected, 3/s received: lower the rate",
                "unstable: 9/s expected, 3/s received",
            ),
            ("none of 7 expected replies came", "none of 7 expected replies came"),
            ("made up 59.9 % of it: the machine's. It also explains drift", "made up 59.9 % of it"),
        ] {
            assert_eq!(fact(sentence), expected);
        }
    }
}
