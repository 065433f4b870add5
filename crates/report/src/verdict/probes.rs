//! Whether the generator's own queue is in the figures: the service times of its many clients beside those of a few probe clients, which
//! have a driver of their own with next to nothing to do.
//!
//! Each probe is compared with the requests of the load around it in time: what comes and goes in the system meets both. Over the
//! whole run such times are alike for too long, and of a load that changes most are of its peak, while probes come at any time.

use super::check::Lines;
use super::{Check, Evidence, Probes};
use zload_core::quantity::{counted, percent, rounded};
use zload_core::stats::{self, Cluster, Estimate};

/// The generator's own queue may make up this share of a figure, as its send delay may.
const QUEUE_SHARE: f64 = 0.1;
/// With more requests than this in flight on a connection, on average, some wait there for those before them: a probe, alone on
/// its connection, goes ahead of them in a server that takes from all in turn.
const ALONE: f64 = 1.1;
/// Where both are compared.
const LEVELS: [(&str, f64); 2] = [("median", 0.5), ("p90", 0.9)];
/// Requests before a probe that it is compared with, and as many after it: enough for a p90.
const AROUND: usize = 50;
/// They are within this time, or this share of the window if that is longer; else there is nothing to compare a probe with.
const NEAR_NS: u64 = 1_000_000_000;
const NEAR_SHARE: f64 = 0.01;

/// Whether clients of the load wait longer for replies than probes do.
pub(super) fn probes(evidence: &Evidence) -> Check {
    let Some(probes) = &evidence.probes else {
        return Check::not_applicable("there are no probe clients (clients.probes)");
    };
    let near_ns = NEAR_NS.max(rounded(NEAR_SHARE * evidence.window_ns as f64));
    let longest = LEVELS
        .into_iter()
        .map_while(|(name, quantile)| Some((name, ratio(probes, quantile, near_ns)?)))
        .min_by(|(_, one), (_, other)| one.high.total_cmp(&other.high));
    let Some((name, ratio)) = longest else {
        return Check::not_applicable(
            "too few replies to probes that are independent of one another, or to requests around them",
        );
    };
    let shorter = (1.0 - ratio.high).max(0.0);
    let fact = format!(
        "the {name} of the service time of {} is {} of that of requests around them, at most {}",
        counted(probes.clients.into(), "probe client"),
        percent(ratio.value),
        percent(ratio.high)
    );
    let in_flight = in_flight_each(evidence, probes);
    if in_flight > ALONE {
        let why = if shorter > QUEUE_SHARE {
            format!(
                ". Clients of the load have {in_flight:.1} requests in flight each, which wait for one another on a connection: that, or the generator's own queue, is in the figures"
            )
        } else {
            String::new()
        };
        return Check::note_above((shorter, "ratio"), QUEUE_SHARE, fact + &why);
    }
    let advice = "the rest is the generator's own queue. Use more drivers (clients.threads), fewer clients for each, or more machines";
    Check::at_most((shorter, "ratio"), Lines::warn(QUEUE_SHARE), fact, advice)
}

/// This percentile of the probes' service times, as a share of the same percentile of the requests around each, with its 95 % interval.
///
/// A probe is below the percentile of its like as often as that says, whenever it comes, and so is its share of it below 1.
fn ratio(probes: &Probes, quantile: f64, near_ns: u64) -> Option<Estimate> {
    let shares: Vec<f64> = probes
        .service
        .iter()
        .filter_map(|(at_ns, service_ns)| {
            let around_ns = around(&probes.of_others, *at_ns, quantile, near_ns)?;
            Some(*service_ns as f64 / around_ns.max(1) as f64)
        })
        .collect();
    let level = stats::percentile(&shares, quantile, shares.len() as f64)?.value;
    let cluster = |share: &f64| Cluster {
        above: f64::from(u8::from(*share > level)),
        unsure: 0.0,
        values: 1.0,
    };
    let clusters: Vec<Cluster> = shares.iter().map(cluster).collect();
    stats::percentile(&shares, quantile, stats::effective_sample_size(&clusters)?)
}

/// This percentile of the service times of requests around this instant, in nanoseconds; `None` if they are too far from it.
fn around(of_others: &[(u64, u64)], at_ns: u64, quantile: f64, near_ns: u64) -> Option<u64> {
    let place = of_others.partition_point(|(intended_ns, _)| *intended_ns < at_ns);
    let first = place.saturating_sub(AROUND).min(of_others.len().checked_sub(2 * AROUND)?);
    let near = of_others.get(first..first + 2 * AROUND)?;
    let [(from_ns, _), .., (to_ns, _)] = near else { return None };
    let mut times: Vec<u64> = near.iter().map(|(_, service_ns)| *service_ns).collect();
    times.sort_unstable();
    let rank = usize::try_from(rounded(quantile * times.len() as f64)).ok()?;
    (to_ns - from_ns <= near_ns).then(|| times[rank.max(1) - 1])
}

/// Requests that wait for their first reply at each client, on average, by Little's law.
fn in_flight_each(evidence: &Evidence, probes: &Probes) -> f64 {
    let times = probes.of_others.iter().map(|(_, service_ns)| *service_ns as f64);
    let mean_s = times.sum::<f64>() / probes.of_others.len().max(1) as f64 / 1e9;
    evidence.requests_per_s * mean_s / f64::from(probes.others.max(1))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_distr::{Distribution as _, Exp1};
    use rand_xoshiro::SplitMix64;

    use super::*;
    use crate::verdict::CheckStatus;

    /// The load's requests for each probe: 1,000 a second beside 20 probes a second.
    const OTHERS: usize = 50;

    /// Exponential service times with a mean of 100 µs, as long as `slow` says of the instant in ms; those of the others are longer by
    /// what waits in the generator.
    fn beside(probes: usize, queue_ns: f64, slow: fn(u64) -> f64, seed: u64) -> Evidence {
        let mut random = SplitMix64::seed_from_u64(seed);
        let mut draw = || -> f64 { Exp1.sample(&mut random) };
        let mut of = |count: usize, every_ms: u64, queue_ns: f64| -> Vec<(u64, u64)> {
            let at_ms = (0..count as u64).map(|number| number * every_ms);
            at_ms
                .map(|ms| (ms * 1_000_000, rounded(slow(ms) * (1e5 * draw() + queue_ns * draw()))))
                .collect()
        };
        let service = of(probes, 50, 0.0);
        let of_others = of(probes * OTHERS, 1, queue_ns);
        let probes = Probes { clients: 2, others: 64, service, of_others, ..Probes::default() };
        Evidence { requests_per_s: 1e3, probes: Some(probes), ..Evidence::default() }
    }

    fn evidence(probes: usize, queue_ns: f64, seed: u64) -> Evidence {
        beside(probes, queue_ns, |_| 1.0, seed)
    }

    #[test]
    fn a_queue_in_the_generator_is_seen_and_none_is_not() {
        for seed in 0..20 {
            let found = probes(&evidence(200, 1e5, seed));
            assert_eq!(found.status, CheckStatus::Warn, "{}", found.sentence);
            assert!(found.sentence.contains("generator's own queue"), "{}", found.sentence);
            // The median of the sum of two is 1.68 of the mean, that of one 0.69: by 59 % less, less what chance allows.
            assert!((0.3..0.6).contains(&found.value.unwrap()), "{:?}", found.value);
        }
        let doubted = (0..100)
            .filter(|seed| probes(&evidence(200, 0.0, 1_000 + seed)).status != CheckStatus::Pass);
        assert_eq!(doubted.count(), 0, "a tenth is allowed besides the interval");
    }

    #[test]
    fn the_sure_share_is_above_the_truth_no_more_often_than_it_says() {
        for quantile in [0.5, 0.9] {
            let above = (0..400).filter(|seed| {
                let evidence = evidence(100, 0.0, 7_000 + seed);
                let ratio = ratio(evidence.probes.as_ref().unwrap(), quantile, NEAR_NS);
                ratio.is_some_and(|of| of.high < 1.0)
            });
            // 2.5 % by its confidence, with three standard errors of as many tries.
            let above = above.count();
            assert!(above <= 19, "{above} of 400 at {quantile}");
        }
    }

    #[test]
    fn what_comes_and_goes_in_the_system_is_in_both() {
        // Three times as slow in every other second, and in the second half.
        let waves = |ms: u64| if (ms / 1_000).is_multiple_of(2) { 1.0 } else { 3.0 };
        let steps = |ms: u64| if ms < 5_000 { 1.0 } else { 3.0 };
        for slow in [waves, steps] {
            let same = probes(&beside(200, 0.0, slow, 3));
            assert_eq!(same.status, CheckStatus::Pass, "{}", same.sentence);
            let queued = probes(&beside(200, 1e5, slow, 3));
            assert_eq!(queued.status, CheckStatus::Warn, "{}", queued.sentence);
        }
    }

    #[test]
    fn probes_that_wait_longer_doubt_nothing() {
        let mut slow = evidence(200, 0.0, 1);
        slow.probes.as_mut().unwrap().service.iter_mut().for_each(|(_, ns)| *ns *= 3);
        let found = probes(&slow);
        assert_eq!((found.status, found.value), (CheckStatus::Pass, Some(0.0)));
    }

    #[test]
    fn what_may_wait_on_its_connection_is_a_note() {
        let deep = Evidence { requests_per_s: 1e6, ..evidence(200, 1e5, 1) };
        let found = probes(&deep);
        assert!(found.status == CheckStatus::Pass && found.noted, "{}", found.sentence);
        assert!(found.sentence.contains("requests in flight"), "{}", found.sentence);
        assert!(!probes(&Evidence { requests_per_s: 1e6, ..evidence(200, 0.0, 1) }).noted);
    }

    #[test]
    fn nothing_is_said_with_too_few_probes_or_nothing_around_them() {
        let mut alone = evidence(200, 1e6, 1);
        // One request a second is near no probe.
        alone.probes.as_mut().unwrap().of_others.iter_mut().for_each(|(at_ns, _)| *at_ns *= 1_000);
        for nothing in [Evidence::default(), evidence(8, 1e6, 1), alone] {
            assert_eq!(probes(&nothing).status, CheckStatus::NotApplicable);
        }
    }
}
