//! What the machine did to the response times: the share of them in which zload's threads had to wait for others.

use super::check::Lines;
use super::{Check, Evidence, Limits};
use zload_core::facts::{HostUse, Role, ThreadCost};
use zload_core::quantity::percent;

/// Above it most of what is printed is the machine's and not the system's.
const FAILS: f64 = 0.5;
/// Below it waiting is that of any machine's scheduler, and never makes a run invalid, in nanoseconds.
const TIMERS_NS: f64 = 1_000_000.0;

/// Waiting in slow replies alone may be this many times as large a share of all response time as waiting is of the median.
const SLOW_REPLIES: f64 = 5.0;
/// By so much of the median requests differ anyway, in parts that are not waiting.
const SPREAD: f64 = 0.25;

/// Whether the response times are the machine's instead of the system's.
///
/// Two factors: which part of the response time is cost beyond the plan's own work and queues, and which part of that
/// cost is waiting for other processes on the CPUs. A share of the median is a doubt about the run, and one of slow replies only
/// where it is most of all response time.
/// docs/verdict.md argues all of it.
pub(super) fn machine_share(evidence: &Evidence, limits: &Limits) -> Check {
    let Some(host) = evidence.host.as_ref().filter(|host| host.span_ns > 0) else {
        return Check::not_applicable(
            "the kernel does not report how long threads waited for a CPU",
        );
    };
    let Some(p50_ns) = evidence.response.p50_ns.filter(|p50_ns| *p50_ns > 0) else {
        return Check::not_applicable("there are too few replies");
    };
    let Shares { all, median, at_least } = if evidence.server_is_own() {
        shares(evidence, waiting_share(evidence, host), p50_ns as f64)
    } else {
        // Somebody else's server may be who has the CPUs, and is then the system under test: never more than a doubt, and that only
        // where waiting is most of it.
        Shares { all: generator_share(evidence, host), median: 0.0, at_least: 0.0 }
    };
    let line = limits.max_machine_share;
    let (share, of, lines, advice) = if at_least > FAILS && at_least * p50_ns as f64 > TIMERS_NS {
        let lines = Lines::warn(line).or_fail(FAILS);
        (
            at_least,
            "median response time",
            lines,
            "the figures are the machine's and not the system's",
        )
    } else if median > line {
        (
            median,
            "median response time",
            Lines::warn(line),
            "that share is the machine's and not the system's",
        )
    } else {
        let advice = if evidence.server_is_own() {
            "mostly in slow replies, so high percentiles are the machine's"
        } else {
            "others include the server if it runs on this machine"
        };
        (all, "response time", Lines::warn(SLOW_REPLIES * line), advice)
    };
    let fact =
        format!("waiting for CPUs that others use makes up about {} of the {of}", percent(share));
    let advice = format!("{advice}. Stop other programs, or use another machine");
    let mut check = Check::at_most((share, "ratio"), lines, fact, &advice).noted_above(line);
    if check.noted {
        check.sentence += ": ";
        check.sentence += &advice;
    }
    check
}

/// In which parts of the response time threads waited.
struct Shares {
    /// Of the mean.
    all: f64,
    /// Of the median, as far as is known.
    median: f64,
    /// Of the median, for certain.
    at_least: f64,
}

/// The parts of the mean and of the median response time in which threads waited, if that makes up `waiting` of all cost.
///
/// The cost is what was measured beyond the simulation, request by request, or without one beyond the mean work. Waits come in
/// few requests or in all of them. Where they come in all, the cost of the median is free of them as far as it is no more than
/// what a request costs on average without waiting. Where they come in some, whatever the median costs beyond a cheap request, one
/// of the cheapest quarter, is waiting in the same part as all cost.
fn shares(evidence: &Evidence, waiting: f64, p50_ns: f64) -> Shares {
    let values = &evidence.responses.values;
    let mut excess: Vec<f64> = match evidence.twin_of_responses() {
        Some(twin) => values.iter().zip(twin).map(|(measured, ideal)| measured - ideal).collect(),
        None => values.iter().map(|measured| measured - evidence.work_ns as f64).collect(),
    };
    let cost = mean(&excess).max(0.0);
    let all = waiting * cost / mean(values).max(1.0);
    excess.sort_unstable_by(f64::total_cmp);
    let (cheap, typical) = (excess.get(excess.len() / 4), excess.get(excess.len() / 2));
    let (cheap, typical) = (*cheap.unwrap_or(&0.0), *typical.unwrap_or(&0.0));
    let at_least = (typical - (1.0 - waiting) * cost) / p50_ns;
    let in_some = waiting * (typical - cheap.max(0.0)) / p50_ns;
    let median = if in_some > SPREAD { at_least.max(in_some) } else { at_least };
    let share = |part: f64| part.clamp(0.0, 1.0);
    Shares { all: share(all), median: share(median), at_least: share(at_least) }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The part of zload's active time, on a CPU or ready to be, in which others had the CPU.
fn waiting_share(evidence: &Evidence, host: &HostUse) -> f64 {
    let sum = |of: fn(&ThreadCost) -> u64| {
        let threads = host.threads.iter().filter(|(thread, _)| thread.role != Role::Other);
        threads.map(|(_, cost)| of(cost) as f64).sum::<f64>()
    };
    let (cpu_ns, wait_ns) = (sum(|cost| cost.cpu_ns), sum(|cost| cost.wait_ns));
    // Work that is spun away is the plan's and no cost.
    let spins = evidence.delays.is_some_and(|delays| !delays.asleep);
    let spun_ns = evidence.work_ns as f64 * evidence.requests_per_s * host.span_ns as f64 / 1e9;
    let cpu_ns = if spins { (cpu_ns - spun_ns).max(0.0) } else { cpu_ns };
    let (others, stolen) = host.machine.map_or((1.0, 0.0), |machine| {
        let part = |share: f64, of: f64| if of > 0.0 { share / of } else { 0.0 };
        (
            part(machine.other_share, machine.busy_share).min(1.0),
            part(machine.steal_share, machine.busy_share + machine.steal_share),
        )
    });
    let active_ns = cpu_ns + wait_ns;
    if active_ns > 0.0 { (wait_ns * others + cpu_ns * stolen) / active_ns } else { 0.0 }
}

/// The part of the response time that the generator's threads waited, of a user-supplied server: what they waited in all
/// by all response times, as one wait delays one request at least; or what a reply that comes at any time finds, which is
/// more where many are in flight.
fn generator_share(evidence: &Evidence, host: &HostUse) -> f64 {
    let (span_ns, mean_ns) = (host.span_ns as f64, mean(&evidence.responses.values).max(1.0));
    let responses_ns = evidence.requests_per_s * span_ns / 1e9 * mean_ns;
    let threads = || host.of(Role::Driver).chain(host.of(Role::ClientIo));
    let waited_ns: f64 = threads().map(|thread| thread.wait_ns as f64).sum();
    let met = |thread: &ThreadCost| {
        let times = thread.voluntary.unwrap_or(0) + thread.involuntary.unwrap_or(0);
        let one_wait_ns = thread.wait_ns as f64 / times.max(1) as f64;
        thread.wait_ns as f64 / span_ns * one_wait_ns / 2.0 / mean_ns
    };
    let each = if responses_ns > 0.0 { waited_ns / responses_ns } else { 0.0 };
    each.max(threads().map(met).sum()).min(1.0)
}
