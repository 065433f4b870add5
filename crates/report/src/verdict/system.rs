//! Checks of what the system did with the load: lost nothing, got nothing unexpected, and its counts and times agree with each other.

use super::check::Lines;
use super::{Check, Evidence, Flow, Limits};
use zload_core::quantity::{count, duration, percent};

/// A difference of this many times the limit is a bug of the measurement.
const LITTLE_FAILS: f64 = 5.0;
/// Timers and schedulers are late by this now and then, in nanoseconds.
const TIMERS_NS: f64 = 1_000_000.0;

/// Whether every message is in exactly one place.
pub(super) fn conservation(evidence: &Evidence) -> Check {
    let lines = Lines::warn(0.0).or_fail(0.0);
    let advice = "zload counted messages wrongly; please report this bug";
    let of_probes = || evidence.probes.as_ref()?.ledger.contradiction();
    if let Some(contradiction) = evidence.ledger.contradiction().or_else(of_probes) {
        return Check::at_most((1.0, "count"), lines, contradiction, advice);
    }
    let cut_short = evidence.interrupted || evidence.failure.is_some();
    let server = evidence.server.unwrap_or_default();
    // What a proxy of somebody else loses or doubles is in the ledger, and is no fault of zload's counts.
    let sure = !cut_short && !server.proxy_is_foreign;
    let vanished =
        server.requests_sent.saturating_sub(server.requests_taken + server.may_be_missing);
    let unsent = server.replies_received.saturating_sub(server.replies_sent);
    let faults = [
        (if sure { vanished } else { 0 }, "requests never reached a worker"),
        (if server.proxy_is_foreign { 0 } else { unsent }, "replies came that no worker sent"),
    ];
    if let Some((number, what)) = faults.into_iter().find(|(number, _)| *number > 0) {
        let fact = format!("{} {what}", count(number));
        return Check::at_most((number as f64, "count"), lines, fact, advice);
    }
    let foreign = server.requests_taken.saturating_sub(server.requests_sent);
    if foreign > 0 {
        let fact = format!("{} requests were served that this run did not send", count(foreign));
        let advice = if server.proxy_is_foreign {
            "another client used the proxy, or it delivered requests twice; that affects the figures"
        } else {
            "another client used the frontend, and its load affects the figures; use another port"
        };
        return Check::at_most((foreign as f64, "count"), Lines::warn(0.0), fact, advice);
    }
    let fact = "every message is in exactly one place of the ledger".to_owned();
    Check::at_most((0.0, "count"), lines, fact, advice)
}

/// Little's law, L = λ·W (Little, "A proof for the queuing formula L = λW", 1961).
///
/// What is in flight at an edge of the window counts for one side and not for the other: that is at most the share of
/// the window that a message spends in the system, and is allowed besides.
pub(super) fn littles_law(evidence: &Evidence, limits: &Limits) -> Check {
    if evidence.interrupted || evidence.failure.is_some() {
        return Check::not_applicable("the window was cut short");
    }
    let Flow { mean_in_flight, rate_per_s, mean_ns } = evidence.flow.unwrap_or_default();
    let expected = rate_per_s * mean_ns / 1e9;
    let larger = expected.max(mean_in_flight);
    if larger <= 0.0 {
        return Check::not_applicable("the mean in flight was not measured");
    }
    let error = (mean_in_flight - expected).abs() / larger;
    let allowed = limits.max_little_error + mean_ns / evidence.window_ns.max(1) as f64;
    Check::at_most(
        (error, "ratio"),
        Lines::warn(allowed).or_fail(LITTLE_FAILS * allowed),
        format!(
            "{mean_in_flight:.2} in flight on average, and {expected:.2} by rate × time in flight: {} apart",
            percent(error)
        ),
        "counts and times contradict each other; please report this bug",
    )
}

/// Whether replies were lost.
pub(super) fn lost(evidence: &Evidence, limits: &Limits) -> Check {
    let ledger = &evidence.ledger;
    if ledger.replies_expected == 0 {
        return Check::not_applicable("no reply was expected");
    }
    if ledger.replies_received == 0 {
        let fact = format!("none of {} expected replies came", count(ledger.replies_expected));
        let lines = Lines::warn(0.0).or_fail(0.0);
        let advice = format!("there are no latencies; {}", because(evidence));
        return Check::at_most((1.0, "ratio"), lines, fact, &advice);
    }
    let share = ledger.replies_lost as f64 / ledger.replies_expected as f64;
    let fact = format!(
        "{} of {} expected replies were lost ({})",
        count(ledger.replies_lost),
        count(ledger.replies_expected),
        percent(share)
    );
    let advice = format!("latencies include only the replies that came; {}", because(evidence));
    // What was lost is counted exactly, and is the system's doing: the run has measured it well.
    Check::at_most((share, "ratio"), Lines::warn(limits.max_lost), fact, &advice)
}

fn because(evidence: &Evidence) -> &str {
    let otherwise = "check that the drain was long enough and the server alive";
    evidence.lost_because.as_deref().unwrap_or(otherwise)
}

/// Whether requests were answered by errors.
pub(super) fn errors(evidence: &Evidence, limits: &Limits) -> Check {
    let ledger = &evidence.ledger;
    let Some(share) = evidence.error_ratio else {
        return Check::not_applicable("no reply was compared with request.ok or request.error");
    };
    let fact = format!(
        "{} of {} answered requests were answered by an error ({})",
        count(ledger.requests_failed),
        count(ledger.requests_answered),
        percent(share)
    );
    let advice = "response times and replies/s are those of the other replies; request.failed has the errors'";
    Check::at_most((share, "ratio"), Lines::warn(limits.max_errors), fact, advice)
}

/// Whether replies that are matched by their order could be taken for one another.
pub(super) fn matching(evidence: &Evidence) -> Check {
    let Some(overlapping) = evidence.overlapping else {
        return Check::not_applicable("replies are not matched by their order alone");
    };
    let fact = if overlapping == 0 {
        "no client sent a request while it waited for another".to_owned()
    } else {
        format!(
            "{} requests were sent while their client waited for another, and replies are matched by their order",
            count(overlapping)
        )
    };
    let advice = "a server with several workers answers in another order; use one request in flight, or match = \"token\"";
    Check::at_most((overlapping as f64, "count"), Lines::warn(0.0), fact, advice)
}

/// Whether messages came that were not expected.
pub(super) fn unexpected(evidence: &Evidence, limits: &Limits) -> Check {
    let ledger = &evidence.ledger;
    let number = ledger.replies_duplicate + ledger.replies_unexpected;
    let came = ledger.replies_received + ledger.replies_late + number;
    if came == 0 {
        return Check::not_applicable("no message came");
    }
    let fact = if number == 0 {
        "every message that came was expected".to_owned()
    } else {
        format!(
            "{} duplicate replies, and {} messages that answer no request",
            count(ledger.replies_duplicate),
            count(ledger.replies_unexpected)
        )
    };
    let lines = Lines::warn(limits.max_unexpected);
    let advice = "the server does other work than planned; fix it, or correct workers.replies";
    Check::at_most((number as f64 / came as f64, "ratio"), lines, fact, advice)
}

/// Whether the workers did what was planned for them.
pub(super) fn delay_overshoot(evidence: &Evidence, limits: &Limits) -> Check {
    let Some(delays) = evidence.delays.filter(|delays| delays.planned_mean_ns > 0) else {
        return Check::not_applicable("no delays were planned, or their lengths are unknown");
    };
    let Some(p50_ns) = delays.overshoot.p50_ns else {
        return Check::not_applicable("there were too few delays");
    };
    let planned_ns = delays.planned_mean_ns as f64;
    let typical = (p50_ns as f64 / planned_ns, limits.max_delay_overshoot, "typically", p50_ns);
    // One in a hundred that takes twice as long, and longer than timers and schedulers are late, is named; it doubts the run where
    // all that such delays add is more than what each may.
    let named = (TIMERS_NS / planned_ns).max(1.0);
    let rare_limit = named.max(100.0 * limits.max_delay_overshoot);
    let rare = delays
        .overshoot
        .p99_ns
        .map(|p99_ns| (p99_ns as f64 / planned_ns, rare_limit, "one time in a hundred", p99_ns));
    let (share, allowed, how_often, ns) = match rare {
        Some(rare) if rare.0 > named && typical.0 <= typical.1 => rare,
        _ => typical,
    };
    Check::at_most(
        (share, "ratio"),
        Lines::warn(allowed),
        format!(
            "workers were {how_often} busy {} longer than planned, {} of the mean delay of {}",
            duration(ns),
            percent(share),
            duration(delays.planned_mean_ns)
        ),
        &format!(
            "a worker stalled, or the delays are too short for this machine's timers; use longer delays, {}or free CPUs",
            if delays.asleep { "workers.delay_by = \"spin\", " } else { "" }
        ),
    )
    .noted_above(named)
}
