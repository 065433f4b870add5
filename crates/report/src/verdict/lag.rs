//! Whether the generator's own queue is in the figures: how long replies that had arrived at its machine waited for a busy driver.
//!
//! Measured with zload's own engine over tcp, of traced requests, by the kernel's stamps. Being woken is no queue: any program that
//! waits for replies is. Compared is the figure with and without the queue, as for the send delay: what is little beside the spread of
//! the others changes no figure.

use super::check::Lines;
use super::{Check, Evidence};
use zload_core::quantity::{duration, percent};

/// The generator's own queue may make up this share of the median, as its send delay may; of a p99 it is named above it.
const QUEUE_SHARE: f64 = 0.1;
/// Of a p99 it warns where it is most of it. So it does of the median of a closed load, in which what does not wait for the generator
/// waits for the server (Little's law): only a generator that is the bottleneck has most of the queue.
const QUEUE_IS_THE_FIGURE: f64 = 0.5;

/// What part of the service times is a queue in front of busy drivers.
pub(super) fn generator_lag(evidence: &Evidence) -> Check {
    let Some(arrivals) = &evidence.arrivals else {
        let why = evidence.arrivals_hidden;
        return Check::not_applicable(why.unwrap_or(
            "the kernel did not say when replies arrived, or none came to a traced request",
        ));
    };
    let (service, without) = (arrivals.service, arrivals.without_queue);
    let share = |all: Option<u64>, part: Option<u64>| {
        let (all_ns, part_ns) = all.zip(part)?;
        Some(all_ns.saturating_sub(part_ns) as f64 / all_ns.max(1) as f64)
    };
    let Some(of_median) = share(service.p50_ns, without.p50_ns) else {
        return Check::not_applicable("too few replies to traced requests");
    };
    let of_p99 = share(service.p99_ns, without.p99_ns).unwrap_or(0.0);
    let of_median_line = if evidence.open.is_some() { QUEUE_SHARE } else { QUEUE_IS_THE_FIGURE };
    let (worst, what, line) = if of_median > of_median_line || of_median > of_p99 {
        (of_median, "median", of_median_line)
    } else {
        (of_p99, "p99", QUEUE_IS_THE_FIGURE)
    };
    let waited = arrivals.in_generator;
    let waited = match (waited.p99_ns.or(waited.p50_ns), waited.p99_ns.is_some()) {
        (Some(ns), true) => format!(" (p99 from arrival to reading: {})", duration(ns)),
        (Some(ns), false) => format!(" (median from arrival to reading: {})", duration(ns)),
        (None, _) => String::new(),
    };
    let fact = format!(
        "waiting for a busy driver makes up {} of the {what} of the service time{waited}",
        percent(worst)
    );
    let advice = "that share is the generator's and not the system's. Use more drivers (clients.threads), fewer clients for each, or another machine";
    Check::at_most((worst, "ratio"), Lines::warn(line), fact, advice).noted_above(QUEUE_SHARE)
}
