//! Whether a run met a goal: by counts where that is possible, and void where the measurement failed.
//!
//! A value of the histogram counts by the upper end of its bucket, which is at most 0.1 % wide: one that shares the bucket of
//! the limit is slow. Invariant: a run is void by the cause of a failed check, never by how it came out.

use serde_json::Value;

use crate::result::{LatencySummary, Outcome as Told, RunResult, outcome_of, to_value};
use crate::verdict::CheckStatus;
use zload_core::quantity::count;
use zload_core::record::decode;
use zload_core::scenario::Threshold;
use zload_core::search::{Counted, Outcome, Slow, Values};

/// What a run says of a goal.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Met, missed or void.
    pub outcome: Outcome,
    /// What decided it, in a few words.
    pub why: String,
    /// The counts of the limit that was nearest to being missed.
    pub slow: Option<Slow>,
    /// Whether the system did not keep up with the load.
    pub overloaded: bool,
}

/// What a run says of a goal with these limits; without any the system must keep up and lose nothing.
pub fn judge(result: &RunResult, limits: &[Threshold]) -> Judged {
    let status = |name: &str| {
        let check = result.verdict.checks.iter().find(|check| check.name == name);
        check.map(|check| (check.status, check.sentence.clone()))
    };
    let backlog = status("backlog");
    let overloaded =
        |least: CheckStatus| backlog.as_ref().is_some_and(|(status, _)| *status >= least);
    let counts: Vec<Slow> =
        limits.iter().filter_map(|limit| Some(slow(result, &Counted::of(limit)?))).collect();
    let worst = counts.iter().copied().max_by(|one, other| share(*one).total_cmp(&share(*other)));
    let judged = |outcome, why: String| Judged {
        outcome,
        why,
        slow: worst,
        overloaded: overloaded(CheckStatus::Fail),
    };
    if Told::of(result) == Told::Void {
        return judged(Outcome::Void, why_void(result));
    }
    if overloaded(if limits.is_empty() { CheckStatus::Warn } else { CheckStatus::Fail }) {
        return judged(Outcome::Missed, "overload: the queue grew".to_owned());
    }
    if limits.is_empty() {
        let ledger = &result.ledger;
        return match ledger.requests_lost + ledger.requests_unsent {
            0 => judged(Outcome::Met, "it kept up and lost nothing".to_owned()),
            lost => judged(Outcome::Missed, format!("{} requests lost or unsent", count(lost))),
        };
    }
    let object = limits.iter().any(|limit| Counted::of(limit).is_none()).then(|| to_value(result));
    let whole = result.whole_seconds();
    let mut met = Vec::new();
    for limit in limits {
        let (holds, why) = if let Some(counted) = Counted::of(limit) {
            by_count(slow(result, &counted), &counted)
        } else {
            let outcome = outcome_of(limit, object.as_ref().unwrap_or(&Value::Null), &whole);
            if outcome.value.is_none() {
                return judged(Outcome::Void, format!("{limit}: {}", outcome.sentence));
            }
            (outcome.met, format!("{limit}: {}", outcome.sentence))
        };
        if !holds {
            return judged(Outcome::Missed, why);
        }
        met.push(why);
    }
    judged(Outcome::Met, met.join("; "))
}

/// The checks that failed, by their names; or what else there was.
fn why_void(result: &RunResult) -> String {
    let failed: Vec<&str> = result
        .verdict
        .checks
        .iter()
        .filter(|check| check.status == CheckStatus::Fail)
        .map(|check| check.name.as_str())
        .collect();
    match &result.failure {
        Some(failure) => failure.clone(),
        None => failed.join(", "),
    }
}

fn by_count(slow: Slow, counted: &Counted) -> (bool, String) {
    let Slow { slow, allowed, of } = slow;
    let why = format!(
        "{} of {} {} slow; {} may be",
        count(slow),
        count(of),
        counted.values.of_what(),
        count(allowed)
    );
    // Where nothing was to be answered, nothing was shown.
    (slow <= allowed && of > 0, why)
}

/// How far the slow ones are from what is allowed.
fn share(slow: Slow) -> f64 {
    (slow.slow as f64 + 0.5) / (slow.allowed as f64 + 0.5)
}

/// How many are slow: late, lost or never sent.
fn slow(result: &RunResult, limit: &Counted) -> Slow {
    let ledger = &result.ledger;
    let latency = &result.latency;
    let (summary, expected, never): (&LatencySummary, u64, u64) = match limit.values {
        Values::Reply => {
            (&latency.reply, ledger.replies_expected + ledger.requests_unsent, ledger.replies_lost)
        }
        Values::FirstReply | Values::LastReply | Values::Service => {
            let summary = match limit.values {
                Values::FirstReply => &latency.first_reply,
                Values::LastReply => &latency.last_reply,
                _ => &latency.service,
            };
            let expected = ledger.requests_planned.saturating_sub(ledger.requests_silent);
            (summary, expected, ledger.requests_lost)
        }
    };
    let late: u64 = decode(&summary.histogram).map_or(0, |histogram| {
        let of = |step: hdrhistogram::iterators::IterationValue<u64>| {
            let upper_ns = histogram.highest_equivalent(step.value_iterated_to());
            if limit.is_slow(upper_ns) { step.count_at_value() } else { 0 }
        };
        histogram.iter_recorded().map(of).sum()
    });
    let slow = (late + never + ledger.requests_unsent).min(expected);
    Slow { slow, allowed: limit.allowed(expected), of: expected }
}
