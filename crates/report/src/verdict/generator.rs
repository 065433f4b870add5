//! Checks of the generator: did it offer what the plan says, when the plan says, without being the limit itself.

use super::check::Lines;
use super::{Check, CheckStatus, Evidence, Limits};
use zload_core::facts::{HostUse, Role, ThreadCost};
use zload_core::quantity::{counted, duration, percent};

/// Send delay may make up this share of the median response time; of a p99 it is named above it.
const SLIP_SHARE: f64 = 0.1;
/// Send delay that makes up this share of the median is what the median shows.
const SLIP_IS_THE_FIGURE: f64 = 0.5;
/// Below it send delay is that of the machine's timers and scheduler, and never makes a run invalid, in nanoseconds.
const TIMERS_NS: u64 = 1_000_000;
/// If ZeroMQ held back more than this share of the requests, send delay is the system's.
const HELD_BACK_SHARE: f64 = 0.01;
/// With more unsent requests than this the percentiles leave too much out.
const UNSENT_FAILS: f64 = 0.01;
/// A second's count may always be off by this many: the edges cut between requests.
const EDGE: f64 = 3.0;
/// Share of the seconds that may be off, and their least number: a stall at an edge spoils the seconds on both sides.
const SECONDS_OFF: f64 = 0.1;
const LEAST_SECONDS_OFF: f64 = 2.0;
/// An open load's generator that is on a CPU for a larger share of the time has no time left to be punctual.
const CPU_FAILS: f64 = 0.95;

/// In a closed load every thread runs as fast as it can, and where they share CPUs this many times more waiting is its
/// nature.
const CLOSED_WAITS: f64 = 5.0;

const CLOSED: &str = "a closed load has no schedule to keep";

/// Why the send delay is not judged where the system accepted no further request: what was not sent then is its doing, too.
pub(crate) const HELD_BACK: &str = "the send queue was full (EAGAIN) when many requests were due, so the system delayed them and not the generator";

/// What part of the response times is the generator's own send delay.
pub(super) fn slip(evidence: &Evidence, limits: &Limits) -> Check {
    let Some(open) = &evidence.open else { return Check::not_applicable(CLOSED) };
    let (response, service) = (evidence.response, evidence.service);
    let Some((p50_ns, service_p50_ns)) = response.p50_ns.zip(service.p50_ns) else {
        return Check::not_applicable("too few replies to separate send delay from latency");
    };
    if open.held_back as f64 > HELD_BACK_SHARE * evidence.ledger.requests_sent as f64 {
        return Check::not_applicable(HELD_BACK);
    }
    let share = |response_ns: u64, service_ns: u64| {
        response_ns.saturating_sub(service_ns) as f64 / response_ns.max(1) as f64
    };
    let of_median = share(p50_ns, service_p50_ns);
    let of_p99 = response.p99_ns.zip(service.p99_ns).map_or(0.0, |(all, part)| share(all, part));
    let is_the_figure = of_median > SLIP_IS_THE_FIGURE && p50_ns - service_p50_ns > TIMERS_NS;
    // What is in the p99 alone doubts that figure, and the run only where it is most of it.
    let (worst, what, line) = if of_median > SLIP_SHARE || of_median > of_p99 {
        (of_median, "median", SLIP_SHARE)
    } else {
        (of_p99, "p99", SLIP_IS_THE_FIGURE)
    };
    let fact = format!("send delay makes up {} of the {what}", percent(worst));
    let late_by = open
        .slip
        .p99_ns
        .map_or_else(String::new, |ns| format!(" (p99 of the send delay: {})", duration(ns)));
    if is_the_figure {
        let advice = "the figures are the generator's and not the system's. Use more drivers (clients.threads), more machines or a lower rate";
        let lines = Lines::warn(SLIP_SHARE).or_fail(SLIP_IS_THE_FIGURE);
        return Check::at_most((of_median, "ratio"), lines, fact + &late_by, advice);
    }
    let advice = "compare service times with response times, or free CPUs for the generator";
    match limits.max_slip.zip(open.slip.p99_ns) {
        Some((max_slip, p99_ns)) => {
            let fact = format!("99 % of the requests were sent at most {} late", duration(p99_ns));
            Check::at_most((p99_ns as f64, "ns"), Lines::warn(max_slip.0 as f64), fact, advice)
        }
        None => Check::at_most((worst, "ratio"), Lines::warn(line), fact + &late_by, advice)
            .noted_above(SLIP_SHARE),
    }
}

/// Whether requests left in bunches instead of one by one.
pub(super) fn late(evidence: &Evidence, limits: &Limits) -> Check {
    let Some(open) = &evidence.open else { return Check::not_applicable(CLOSED) };
    let sent = evidence.ledger.requests_sent;
    let Some(late) = open.late.filter(|_| sent > 0) else {
        return Check::not_applicable("late requests were not counted");
    };
    let share = late.saturating_sub(open.held_back) as f64 / sent as f64;
    Check::at_most(
        (share, "ratio"),
        Lines::warn(limits.max_late),
        format!(
            "{} of the requests were sent more than one inter-arrival time late",
            percent(share)
        ),
        "requests came in bursts, unlike the planned load; free CPUs, or use more clients",
    )
}

/// Whether all that was planned was sent.
pub(super) fn delivered_rate(evidence: &Evidence, limits: &Limits) -> Check {
    if evidence.open.is_none() {
        return Check::not_applicable(CLOSED);
    }
    let ledger = &evidence.ledger;
    let cut_short =
        evidence.interrupted || evidence.stopped.is_some() || evidence.failure.is_some();
    if cut_short || ledger.requests_planned == 0 {
        return Check::not_applicable("the plan did not run to its end");
    }
    let share = ledger.requests_unsent as f64 / ledger.requests_planned as f64;
    Check::at_most(
        (share, "ratio"),
        Lines::warn(limits.max_unsent).or_fail(UNSENT_FAILS),
        format!("{} of the planned requests were not sent", percent(share)),
        "the load was lower than planned, and the percentiles leave the unsent requests out. Lower the rate, or check that the system still accepts requests",
    )
}

/// Whether each second got what was planned for it.
pub(super) fn delivered_each_second(evidence: &Evidence, limits: &Limits) -> Check {
    let Some(open) = &evidence.open else { return Check::not_applicable(CLOSED) };
    if open.seconds.is_empty() {
        return Check::not_applicable(
            "there is no whole second, or the plan was not counted by second",
        );
    }
    let off = open.seconds.iter().filter(|second| {
        let tolerance = (limits.max_rate_error * second.planned as f64).max(EDGE);
        second.planned.abs_diff(second.sent) as f64 > tolerance
    });
    let off = off.count() as u64;
    let allowed = (SECONDS_OFF * open.seconds.len() as f64).max(LEAST_SECONDS_OFF).floor();
    Check::at_most(
        (off as f64, "count"),
        Lines::warn(allowed),
        format!("in {} the number of requests sent differs from the plan", counted(off, "second")),
        "the load was less even than planned; free CPUs, lower the rate, or check that the system still accepts requests",
    )
}

/// Whether the generator had CPU time to spare.
pub(super) fn saturated(evidence: &Evidence, limits: &Limits) -> Check {
    let Some((host, share)) =
        evidence.host.as_ref().and_then(|host| Some((host, generator_share(host)?)))
    else {
        return Check::not_applicable("the kernel does not report the CPU time of threads");
    };
    let who = if busiest(host, Role::Driver) >= busiest(host, Role::ClientIo) {
        ("driver", "clients.threads")
    } else {
        ("I/O thread of the clients", "proxy.io_threads")
    };
    let fact = format!("the busiest {} was on a CPU {} of the time", who.0, percent(share));
    let advice = format!(
        "the generator may have been the limit, so read throughput as \"at least\"; raise {}, or use more cores or machines",
        who.1
    );
    let lines = Lines::warn(limits.max_generator_cpu).or_fail(CPU_FAILS);
    let check = Check::at_most((share, "ratio"), lines, fact, &advice);
    // In a closed load a busy generator makes throughput a lower bound and nothing wrong.
    check.no_worse_than(if evidence.open.is_some() { CheckStatus::Fail } else { CheckStatus::Warn })
}

/// The largest share of the time that a thread of the generator was on a CPU.
pub(super) fn generator_share(host: &HostUse) -> Option<f64> {
    generator_threads(host).map(|thread| host.share(thread.cpu_ns)).reduce(f64::max)
}

/// The largest share of the time that a thread of this role was on a CPU; 0 if there is none.
pub(super) fn busiest(host: &HostUse, role: Role) -> f64 {
    host.of(role).map(|thread| host.share(thread.cpu_ns)).fold(0.0, f64::max)
}

fn generator_threads(host: &HostUse) -> impl Iterator<Item = &ThreadCost> {
    host.of(Role::Driver).chain(host.of(Role::ClientIo))
}

/// Whether the generator had to wait for CPUs.
pub(super) fn cpu_wait(evidence: &Evidence, limits: &Limits) -> Check {
    let worst = evidence.host.as_ref().and_then(|host| {
        let longest = generator_threads(host).max_by_key(|thread| thread.wait_ns)?;
        Some((host, longest))
    });
    let Some((host, thread)) = worst else {
        return Check::not_applicable(
            "the kernel does not report how long threads waited for a CPU",
        );
    };
    let share = host.share(thread.wait_ns);
    let taken = thread.involuntary.map_or_else(String::new, |times| {
        let per_second = times as f64 / (host.span_ns.max(1) as f64 / 1e9);
        format!(", and was preempted {per_second:.0} times a second")
    });
    let limit = limits.max_cpu_wait * if evidence.open.is_some() { 1.0 } else { CLOSED_WAITS };
    let fact =
        format!("a thread of the generator waited for a CPU {} of the time{taken}", percent(share));
    Check::note_above((share, "ratio"), limit, fact)
}
