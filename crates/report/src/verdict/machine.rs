//! Checks of the surroundings: how the run ended, how zload was built, what else the machine did, the clocks.

use super::check::Lines;
use super::{Check, Evidence, Limits};
use zload_core::quantity::{cpus, duration, percent};

/// A step of the clock may be this share of the median response time.
const RESOLUTION_SHARE: f64 = 0.01;
/// A finer clock than this is never asked for, in nanoseconds.
const RESOLUTION_NS: f64 = 1_000.0;
/// The time of day may differ from the monotonic clock by this, in nanoseconds, …
const STEP_NS: f64 = 100_000_000.0;
/// … and by this share of the window: clocks that are led by NTP run up to 500 ppm faster or slower.
const STEP_SHARE: f64 = 0.001;
/// A suspension is longer than this, in nanoseconds; less is the time between reading one clock and the next.
const SUSPENDED_NS: f64 = 1_000_000.0;

/// Where the quota was used up in a larger share of the periods, the median stood still, too.
pub(super) const THROTTLED_FAILS: f64 = 0.5;

/// Whether the run came to its planned end.
pub(super) fn ending(evidence: &Evidence) -> Check {
    if let Some(failure) = &evidence.failure {
        let lines = Lines::warn(0.0).or_fail(0.0);
        let advice = "what was measured until then is not the plan. Fix the cause and run again";
        return Check::at_most(
            (1.0, "count"),
            lines,
            format!("the run failed ({failure})"),
            advice,
        );
    }
    let (cut_short, fact) = if evidence.interrupted {
        (1.0, "the run was interrupted")
    } else if let Some(why) = &evidence.stopped {
        // It did what it was asked to.
        let check = Check::at_most(
            (0.0, "count"),
            Lines::warn(0.0),
            format!("stopped as asked: {why}"),
            "",
        );
        return Check { noted: true, ..check };
    } else {
        (0.0, "the plan ran to its end")
    };
    let advice = "the figures cover only the time before that";
    Check::at_most((cut_short, "count"), Lines::warn(0.0), fact.to_owned(), advice)
}

/// Whether this is the build that people use.
pub(super) fn build(evidence: &Evidence) -> Check {
    let other_tool = "it is slower than a release build; build with --release";
    let (slow, fact, advice) = match (evidence.debug_build, evidence.slow_libzmq) {
        (true, _) => (1.0, "this is a debug build", other_tool),
        (false, true) => (
            1.0,
            "libzmq was compiled without eventfd, which makes it 11 to 23 % slower",
            "cargo install --git ignores the settings in zload's .cargo/config.toml; build in the repository's folder",
        ),
        (false, false) => (0.0, "this is a release build", other_tool),
    };
    Check::at_most((slow, "count"), Lines::warn(0.0), fact.to_owned(), advice)
}

/// CPU time that the hypervisor gave to other machines.
pub(super) fn steal(evidence: &Evidence, limits: &Limits) -> Check {
    let Some(machine) = evidence.host.as_ref().and_then(|host| host.machine) else {
        return Check::not_applicable(
            "the kernel does not report how the machine's CPU time was used",
        );
    };
    let fact =
        format!("other virtual machines took {} of the CPU time", percent(machine.steal_share));
    Check::note_above((machine.steal_share, "ratio"), limits.max_steal, fact)
}

/// CPU time that other processes used.
pub(super) fn other_load(evidence: &Evidence, limits: &Limits) -> Check {
    let host = evidence.host.as_ref();
    let started_here = host.is_some_and(|host| host.server_cpu_ns.is_some());
    if !evidence.server_is_own() && !started_here {
        let why = "the external server may be one of this machine's other processes";
        return Check::not_applicable(why);
    }
    let Some(machine) = host.and_then(|host| host.machine) else {
        return Check::not_applicable(
            "the kernel does not report how the machine's CPU time was used",
        );
    };
    let fact = format!("other processes used {} of the CPU time", percent(machine.other_share));
    Check::note_above((machine.other_share, "ratio"), limits.max_other_load, fact)
}

/// Whether the CPU quota of a container was used up.
pub(super) fn throttled(evidence: &Evidence, limits: &Limits) -> Check {
    let quota = evidence.host.as_ref().and_then(|host| host.quota);
    let Some(quota) = quota.filter(|quota| quota.periods > 0) else {
        return Check::not_applicable(
            "there is no CPU quota, or the kernel does not report its use",
        );
    };
    let fact = format!(
        "the CPU quota ({}) was used up in {} of {} periods",
        cpus(quota.cpus),
        quota.throttled,
        quota.periods
    );
    let lines = Lines::warn(limits.max_throttled).or_fail(THROTTLED_FAILS);
    let advice = "threads then stop until the next period, so the quota decides the latencies. Raise it, or lower the load";
    Check::at_most((quota.throttled_share(), "ratio"), lines, fact, advice)
}

/// Whether the clock is fine enough, and went on evenly.
pub(super) fn clock(evidence: &Evidence) -> Check {
    let Some(host) = &evidence.host else {
        return Check::not_applicable("the clocks were not compared");
    };
    let suspended_ns = host.suspended_ns as f64;
    if suspended_ns > SUSPENDED_NS {
        let fact = format!("the machine was suspended for {}", duration(host.suspended_ns));
        let lines = Lines::warn(SUSPENDED_NS).or_fail(SUSPENDED_NS);
        return Check::at_most(
            (suspended_ns, "ns"),
            lines,
            fact,
            "the clock stopped meanwhile; run again",
        );
    }
    let step_ns = host.realtime_step_ns.unsigned_abs();
    let allowed_ns = STEP_NS + STEP_SHARE * host.span_ns as f64;
    if step_ns as f64 > allowed_ns {
        let fact = format!("the time of day was set by {} during the run", duration(step_ns));
        let advice = "latencies are right, but times in logs do not match";
        return Check::at_most((step_ns as f64, "ns"), Lines::warn(allowed_ns), fact, advice);
    }
    let Some(resolution_ns) = evidence.clock_resolution_ns else {
        return Check::not_applicable("the clock's resolution is unknown");
    };
    let median_ns = evidence.response.p50_ns.unwrap_or(0) as f64;
    Check::at_most(
        (resolution_ns as f64, "ns"),
        Lines::warn(RESOLUTION_NS.max(RESOLUTION_SHARE * median_ns)),
        format!("the clock moves in steps of {}", duration(resolution_ns)),
        "it cannot measure shorter times; see /sys/devices/system/clocksource for a finer source",
    )
}
