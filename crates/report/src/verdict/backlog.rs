//! Whether an open load was more than the system could serve, and whether all of it was served.

use super::check::Lines;
use super::{Check, Evidence, Limits};
use zload_core::quantity::{percent, rate};
use zload_core::stats;

/// The window is cut into this many blocks, and the growth in each of them is one value.
const BLOCKS: usize = 20;
/// Chance alone gives a mean of 20 values this many of its own standard errors above 0 in one of 100 cases:
/// Student's t with 19 degrees of freedom.
const CERTAIN: f64 = 2.539;
/// A backlog of this many times the limit leaves percentiles that only say how long the run was.
const FAILS: f64 = 3.0;
/// So few replies in flight more are no backlog, whatever share of a small load they are.
const FEW: f64 = 10.0;
/// The number in flight may grow by this many times what is in service by plan.
const IN_SERVICE: f64 = 2.0;
/// The last requests that got a reply waited for at least so much of what a queue would have cost them.
const WAITED: f64 = 0.25;
/// A system that serves less than this share of the expected replies does not keep up.
const SERVED: f64 = 0.98;
/// Each edge of the window may cut one request from its reply.
const EDGES: f64 = 2.0;

/// Whether the system kept up with an open load.
///
/// What is tested is the growth of the queue in each block of the window. The length of an overloaded queue is a random
/// walk with a drift: its values hang together, and a line through them fits noise just as well (Granger and Newbold,
/// "Spurious regressions in econometrics", 1974). Its increments are nearly independent.
pub(super) fn backlog(evidence: &Evidence, limits: &Limits) -> Check {
    if evidence.open.is_none() {
        return Check::not_applicable("a closed load never offers more than the server handles");
    }
    if let Some(twin) = evidence.twin.as_ref().filter(|twin| twin.queue_grows) {
        return too_much_planned(evidence, limits, twin.utilisation);
    }
    let Some(growth) = certain_growth(&evidence.in_flight.values) else {
        return Check::not_applicable("the run is too short to show a trend");
    };
    let expected = evidence.ledger.replies_expected as f64;
    let in_service = evidence.requests_per_s * evidence.work_ns as f64 / 1e9
        * (expected / evidence.ledger.requests_sent.max(1) as f64);
    let lost =
        if is_waited_for(evidence, growth) { 0.0 } else { evidence.ledger.replies_lost as f64 };
    let allowed = (limits.max_backlog * expected).max(IN_SERVICE * in_service).max(FEW) + lost;
    let offered = rate(expected_per_s(evidence));
    let fact = if growth > allowed {
        format!(
            "unstable: {offered} replies expected, {} received, and {growth:.0} more in flight at the end than at the start",
            rate(evidence.replies_per_s)
        )
    } else if is_served(evidence) {
        format!("the system kept up with {offered} replies")
    } else {
        format!(
            "{offered} replies expected, {} received, but no queue grew for certain",
            rate(evidence.replies_per_s)
        )
    };
    let lines = Lines::warn(allowed).or_fail(FAILS * allowed);
    Check::at_most((growth, "count"), lines, fact, ADVICE)
}

const ADVICE: &str = "latencies grow with the length of the run. Lower the rate, or find the maximum throughput with a closed load";

/// The plan itself asks for more than its workers can do: no test is needed, but how much the queue grew decides.
fn too_much_planned(evidence: &Evidence, limits: &Limits, utilisation: f64) -> Check {
    let expected = evidence.ledger.replies_expected as f64;
    let values = &evidence.in_flight.values;
    let growth = values.last().zip(values.first()).map_or(0.0, |(end, begin)| end - begin);
    let fact = format!(
        "unstable: the plan asks for {} of the workers' capacity; {} replies expected, {} received",
        percent(utilisation),
        rate(expected_per_s(evidence)),
        rate(evidence.replies_per_s)
    );
    let fails = FAILS * (limits.max_backlog * expected).max(FEW);
    // However little it has grown yet, it is more than the nothing that is allowed.
    let lines = Lines::warn(0.0).or_fail(fails);
    Check::at_most((growth.max(1.0), "count"), lines, fact, ADVICE)
}

/// By how much the values grew from the first to the last, 0 if that may be chance; `None` of too few.
pub fn certain_growth(values: &[f64]) -> Option<f64> {
    let last = values.len().checked_sub(1).filter(|last| *last >= BLOCKS)?;
    let edges: Vec<f64> = (0..=BLOCKS).map(|edge| values[edge * last / BLOCKS]).collect();
    let increments: Vec<f64> = edges.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let count = BLOCKS as f64;
    let mean = increments.iter().sum::<f64>() / count;
    let squares: f64 = increments.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    Some(if mean > CERTAIN * error { mean * count } else { 0.0 })
}

/// Expected replies for the requests of the window, per second of it.
fn expected_per_s(evidence: &Evidence) -> f64 {
    evidence.ledger.replies_expected as f64 / (evidence.window_ns.max(1) as f64 / 1e9)
}

/// Whether as many replies came in the window as its requests expect, except those in flight at the end and not at the start,
/// because the window started with the load.
pub(super) fn is_served(evidence: &Evidence) -> bool {
    let seconds = evidence.window_ns as f64 / 1e9;
    let expected = evidence.ledger.replies_expected as f64;
    let at_begin = evidence.in_flight.values.first().copied().unwrap_or(0.0);
    let service_ns = evidence.first_responses().unwrap_or(0.0);
    let starting = (expected_per_s(evidence) * service_ns / 1e9 - at_begin).max(0.0);
    let missing = expected - evidence.replies_per_s * seconds;
    missing <= ((1.0 - SERVED) * expected).max(EDGES) + starting
        && evidence.ledger.replies_lost as f64 <= (1.0 - SERVED) * expected
}

/// Whether this many replies in flight are a queue in which the last requests waited. A lost reply is outstanding to the
/// end, too, but no request waits behind it.
///
/// A queue that grew to B while A came in per second started to grow B/A before what was served last came in, for all that
/// came since is in it: that is how long it waited.
fn is_waited_for(evidence: &Evidence, queue: f64) -> bool {
    let expected = evidence.ledger.replies_expected.max(1) as f64;
    let wait_ns = queue / expected * evidence.window_ns as f64;
    let blocks = stats::block_medians(&evidence.responses.values, RESPONSES);
    blocks.last().is_none_or(|last_ns| *last_ns >= WAITED * wait_ns)
}

/// Response times are compared in this many blocks.
const RESPONSES: usize = 60;

impl Evidence {
    /// The median response time at the start of the window, in nanoseconds.
    fn first_responses(&self) -> Option<f64> {
        stats::block_medians(&self.responses.values, RESPONSES).first().copied()
    }
}
