//! Checks of what the system did with the load: kept up, lost nothing, and its counts and times agree with each other.

use super::check::Lines;
use super::{Check, Evidence, Leg, Limits};
use crate::quantity::{count, duration, percent, rate};
use crate::stats;

/// The trend of the in-flight is taken over at most so many blocks.
const BLOCKS: usize = 60;
/// A backlog of so many times the limit leaves percentiles that only say how long the run was.
const BACKLOG_FAILS: f64 = 3.0;
/// So few replies in flight more are no backlog, whatever share of a small load they are.
const FEW: f64 = 10.0;
/// Of what is in service by plan, so many times may be in flight more at the end than at the begin.
const IN_SERVICE: f64 = 2.0;
/// The last requests that got a reply waited for at least so much of what a queue would have cost them.
const WAITED: f64 = 0.25;
/// A difference of so many times the limit is a defect of the measurement.
const LITTLE_FAILS: f64 = 5.0;
/// Timers and schedulers are late by this now and then, in nanoseconds.
const TIMERS_NS: f64 = 1_000_000.0;

/// Whether every message is in exactly one place.
pub(super) fn conservation(evidence: &Evidence) -> Check {
    const NAME: &str = "conservation";
    let lines = Lines::warn(0.0).or_fail(0.0);
    let advice =
        "messages were counted wrongly or came from nowhere, which is a defect; please report it";
    if let Some(contradiction) = evidence.ledger.contradiction() {
        return Check::at_most(NAME, (1.0, "count"), lines, contradiction, advice);
    }
    let cut_short = evidence.interrupted || evidence.failure.is_some();
    let server = evidence.server.unwrap_or_default();
    let vanished =
        server.requests_sent.saturating_sub(server.requests_taken + server.may_be_missing);
    let faults = [
        (if cut_short { 0 } else { vanished }, "requests vanished on their way to the workers"),
        (
            server.replies_received.saturating_sub(server.replies_sent),
            "replies came that no worker sent",
        ),
    ];
    if let Some((number, what)) = faults.into_iter().find(|(number, _)| *number > 0) {
        let fact = format!("{} {what}", count(number));
        return Check::at_most(NAME, (number as f64, "count"), lines, fact, advice);
    }
    let foreign = server.requests_taken.saturating_sub(server.requests_sent);
    if foreign > 0 {
        let fact = format!("{} requests were served that this run did not send", count(foreign));
        let advice = "another client used the frontend, and its load is in the figures; give the run a port of its own";
        return Check::at_most(NAME, (foreign as f64, "count"), Lines::warn(0.0), fact, advice);
    }
    let fact = "every message is in exactly one place of the ledger".to_owned();
    Check::at_most(NAME, (0.0, "count"), lines, fact, advice)
}

/// Little's law, L = λ·W (Little, "A proof for the queuing formula L = λW", 1961), for each leg.
///
/// What is under way at an edge of the window counts for one side and not for the other: that is at most the share of
/// the window that a message spends in the leg, and is allowed besides.
pub(super) fn littles_law(evidence: &Evidence, limits: &Limits) -> Check {
    const NAME: &str = "littles_law";
    if evidence.interrupted || evidence.failure.is_some() {
        return Check::not_applicable(NAME, "the window was cut short");
    }
    let window_ns = evidence.window_ns.max(1) as f64;
    let judged = evidence.legs.iter().filter_map(|leg| {
        let expected = leg.rate_per_s * leg.mean_ns / 1e9;
        let larger = expected.max(leg.mean_in_flight);
        let allowed = limits.max_little_error + leg.mean_ns / window_ns;
        (larger > 0.0).then(|| ((leg.mean_in_flight - expected).abs() / larger, allowed, leg))
    });
    let worst = judged.max_by(|(one, allowed, _), (other, other_allowed, _)| {
        (one / allowed).total_cmp(&(other / other_allowed))
    });
    let Some((error, allowed, leg)) = worst else {
        return Check::not_applicable(NAME, "the mean in flight was not measured");
    };
    let Leg { name, mean_in_flight, rate_per_s, mean_ns } = leg;
    Check::at_most(
        NAME,
        (error, "ratio"),
        Lines::warn(allowed).or_fail(LITTLE_FAILS * allowed),
        format!(
            "{name}: {mean_in_flight:.2} in flight on average, and by rate times time {:.2}, {} apart",
            rate_per_s * mean_ns / 1e9,
            percent(error)
        ),
        "counts and times do not belong together; records are missing or the window's edges are wrong, please report it",
    )
}

/// Whether the system kept up with an open load.
pub(super) fn backlog(evidence: &Evidence, limits: &Limits) -> Check {
    const NAME: &str = "backlog";
    let Some(open) = &evidence.open else {
        return Check::not_applicable(NAME, "a closed load never offers more than is served");
    };
    let values = stats::block_medians(&evidence.in_flight.values, BLOCKS);
    let Some(slope) = stats::slope(&values) else {
        return Check::not_applicable(NAME, "the run is too short to show a trend");
    };
    let steps = values.len() as f64;
    // Only what is certain to have grown: noise has no trend.
    let growth = if slope.low > 0.0 { slope.value * steps } else { 0.0 };
    let owed = evidence.ledger.replies_expected as f64;
    let in_service = evidence.requests_per_s * open.planned_service_ns as f64 / 1e9
        * (owed / evidence.ledger.requests_sent.max(1) as f64);
    let lost =
        if is_waited_for(evidence, growth) { 0.0 } else { evidence.ledger.replies_lost as f64 };
    let allowed = (limits.max_backlog * owed).max(IN_SERVICE * in_service).max(FEW) + lost;
    let offered = owed / (evidence.window_ns.max(1) as f64 / 1e9);
    let fact = if growth > allowed {
        format!(
            "unstable: replies owed for {}, served {}, and {growth:.0} more in flight at the end than at the begin",
            rate(offered),
            rate(evidence.replies_per_s)
        )
    } else {
        format!("the system kept up with {} replies owed", rate(offered))
    };
    let advice = "the longer the run, the longer the latencies; percentiles only say how long it was, so offer less, or use \
                  a closed load to find the ceiling";
    let lines = Lines::warn(allowed).or_fail(BACKLOG_FAILS * allowed);
    Check::at_most(NAME, (growth, "count"), lines, fact, advice)
}

/// Whether so many replies in flight are a queue in which the last requests waited. A reply that was lost is owed to the
/// end, too, but nobody waits behind it.
///
/// A queue that grew to B while A came in per second began to grow B/A before what was served last came in, for all that
/// came since is in it: so long has that waited.
fn is_waited_for(evidence: &Evidence, queue: f64) -> bool {
    let owed = evidence.ledger.replies_expected.max(1) as f64;
    let wait_ns = queue / owed * evidence.window_ns as f64;
    let blocks = stats::block_medians(&evidence.responses.values, BLOCKS);
    blocks.last().is_none_or(|last_ns| *last_ns >= WAITED * wait_ns)
}

/// Whether replies were lost.
pub(super) fn lost(evidence: &Evidence, limits: &Limits) -> Check {
    const NAME: &str = "lost";
    let ledger = &evidence.ledger;
    if ledger.replies_expected == 0 {
        return Check::not_applicable(NAME, "no reply was owed");
    }
    let share = ledger.replies_lost as f64 / ledger.replies_expected as f64;
    let fact = format!(
        "{} of {} replies owed were lost ({})",
        count(ledger.replies_lost),
        count(ledger.replies_expected),
        percent(share)
    );
    let because = evidence
        .lost_because
        .as_deref()
        .unwrap_or("see whether the drain was long enough and the server alive");
    let advice = format!("the latencies are only those of what came; {because}");
    // What was lost is counted exactly, and is the system's doing: the run has measured it well.
    Check::at_most(NAME, (share, "ratio"), Lines::warn(limits.max_lost), fact, &advice)
}

/// Whether the workers did what was planned for them.
pub(super) fn delay_overshoot(evidence: &Evidence, limits: &Limits) -> Check {
    const NAME: &str = "delay_overshoot";
    let Some(delays) = evidence.delays.filter(|delays| delays.planned_mean_ns > 0) else {
        return Check::not_applicable(
            NAME,
            "no delays were planned, or nobody knows how long they were",
        );
    };
    let Some(p50_ns) = delays.overshoot.p50_ns else {
        return Check::not_applicable(NAME, "there were too few delays");
    };
    let planned_ns = delays.planned_mean_ns as f64;
    let typical = (p50_ns as f64 / planned_ns, limits.max_delay_overshoot, "typically", p50_ns);
    // One in a hundred may take twice as long, or as long as timers and schedulers are late.
    let rare_limit = (TIMERS_NS / planned_ns).max(1.0);
    let rare = delays
        .overshoot
        .p99_ns
        .map(|p99_ns| (p99_ns as f64 / planned_ns, rare_limit, "one time in a hundred", p99_ns));
    let (share, allowed, how_often, ns) = match rare {
        Some(rare) if rare.0 > rare.1 && typical.0 <= typical.1 => rare,
        _ => typical,
    };
    Check::at_most(
        NAME,
        (share, "ratio"),
        Lines::warn(allowed),
        format!(
            "workers were {how_often} busy {} longer than planned, {} of the mean delay of {}",
            duration(ns),
            percent(share),
            duration(delays.planned_mean_ns)
        ),
        &format!(
            "a worker was stalled, or the delays are too short for this machine's timers; the work was not the planned one, \
             so use longer delays, {}or free CPUs",
            if delays.asleep { "workers.delay_by = \"spin\", " } else { "" }
        ),
    )
}
