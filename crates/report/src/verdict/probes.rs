//! Whether the generator's own queue is in the figures: the service times of its many clients beside those of a few probe clients, which
//! have a driver of their own with next to nothing to do.

use super::check::Lines;
use super::{Check, Evidence, Probes};
use zload_core::quantity::{counted, duration, percent, rounded};
use zload_core::stats::{self, Cluster, Estimate};

/// The generator's own queue may make up this share of a figure, as its send delay may.
const QUEUE_SHARE: f64 = 0.1;
/// With more requests than this in flight on a connection, on average, some wait there for those before them: a probe, alone on
/// its connection, goes ahead of them in a server that takes from all in turn.
const ALONE: f64 = 1.1;
/// Where both are compared.
const LEVELS: [(&str, f64); 2] = [("median", 0.5), ("p90", 0.9)];

const TOO_FEW: &str =
    "too few replies to probes that are independent of one another, or to others, for a median";

/// Whether clients of the load wait longer for replies than probes do.
pub(super) fn probes(evidence: &Evidence) -> Check {
    let Some(probes) = &evidence.probes else {
        return Check::not_applicable("there are no probe clients (clients.probes)");
    };
    if evidence.change.is_some() {
        return Check::not_applicable(
            "the load changes: most of its requests are sent when it is high, and probes at any time",
        );
    }
    let longest = LEVELS
        .into_iter()
        .map_while(|(name, quantile)| Some((name, Difference::at(probes, quantile)?)))
        .max_by(|(_, one), (_, other)| one.sure_share().total_cmp(&other.sure_share()));
    let Some((name, found)) = longest else { return Check::not_applicable(TOO_FEW) };
    let sure = found.sure_share();
    let mut fact = format!(
        "the {name} of the service time is {}, and {} for {}",
        duration(rounded(found.others.value)),
        duration(rounded(found.probes.value)),
        counted(probes.clients.into(), "probe client"),
    );
    if sure > 0.0 {
        fact += &format!(": longer by at least {}", percent(sure));
    }
    let in_flight = in_flight_each(evidence, probes);
    if in_flight > ALONE {
        let fact = if sure > QUEUE_SHARE {
            format!(
                "{fact}. A client of the load has {in_flight:.1} requests in flight, which wait for one another on its connection: that, or the generator's own queue, is in the figures"
            )
        } else {
            fact
        };
        return Check::note_above((sure, "ratio"), QUEUE_SHARE, fact);
    }
    let advice = "the rest is the generator's own queue. Use more drivers (clients.threads), fewer clients for each, or more machines";
    Check::at_most((sure, "ratio"), Lines::warn(QUEUE_SHARE), fact, advice)
}

/// A percentile of both, each with its 95 % interval.
struct Difference {
    probes: Estimate,
    others: Estimate,
}

impl Difference {
    fn at(probes: &Probes, quantile: f64) -> Option<Self> {
        Some(Self {
            probes: estimate(&probes.service, quantile)?,
            others: estimate(&probes.of_others, quantile)?,
        })
    }

    /// By what share of its own the percentile of the others is longer, at least, with 97.5 % confidence: the lower end of the difference's
    /// interval by square-and-add of both intervals (Zou and Donner, "Construction of confidence limits about effect measures", 2008).
    /// What both have in common, as a slow server, makes it wider than it need be. 0 if it may be none.
    fn sure_share(&self) -> f64 {
        let Self { probes, others } = self;
        let spread = (others.value - others.low).hypot(probes.high - probes.value);
        ((others.value - probes.value - spread) / others.value.max(1.0)).max(0.0)
    }
}

/// A percentile with its interval, from as many values as are independent of one another.
fn estimate(values: &[f64], quantile: f64) -> Option<Estimate> {
    let level = stats::percentile(values, quantile, values.len() as f64)?.value;
    let cluster = |value: &f64| Cluster {
        above: f64::from(u8::from(*value > level)),
        unsure: 0.0,
        values: 1.0,
    };
    let clusters: Vec<Cluster> = values.iter().map(cluster).collect();
    stats::percentile(values, quantile, stats::effective_sample_size(&clusters)?)
}

/// Requests that wait for their first reply at each client, on average, by Little's law.
fn in_flight_each(evidence: &Evidence, probes: &Probes) -> f64 {
    let values = &probes.of_others;
    let mean_s = values.iter().sum::<f64>() / values.len().max(1) as f64 / 1e9;
    evidence.requests_per_s * mean_s / f64::from(probes.others.max(1))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_distr::{Distribution as _, Exp1};
    use rand_xoshiro::SplitMix64;

    use super::*;
    use crate::verdict::{CheckStatus, LoadChange};

    const OTHERS: usize = 20_000;

    /// Exponential service times with a mean of 100 µs; those of the others are longer by what waits in the generator.
    fn evidence(probes: usize, queue_ns: f64, seed: u64) -> Evidence {
        let mut random = SplitMix64::seed_from_u64(seed);
        let mut draw = || -> f64 { Exp1.sample(&mut random) };
        let service = (0..probes).map(|_| 1e5 * draw()).collect();
        let of_others = (0..OTHERS).map(|_| 1e5 * draw() + queue_ns * draw()).collect();
        let probes = Probes { clients: 2, others: 64, service, of_others, ..Probes::default() };
        Evidence { requests_per_s: 1e4, probes: Some(probes), ..Evidence::default() }
    }

    #[test]
    fn a_queue_in_the_generator_is_seen_and_none_is_not() {
        for seed in 0..20 {
            let found = probes(&evidence(400, 1e5, seed));
            assert_eq!(found.status, CheckStatus::Warn, "{}", found.sentence);
            assert!(found.sentence.contains("generator's own queue"), "{}", found.sentence);
            // By as much as it is: the median of the sum of two is 1.68 of the mean, that of one 0.69.
            assert!((0.3..0.6).contains(&found.value.unwrap()), "{:?}", found.value);
        }
        let doubted = (0..400).filter(|seed| {
            probes(&evidence(400, 0.0, 1_000 + seed)).status != CheckStatus::Pass
        });
        // A tenth more is allowed besides the interval.
        assert!(doubted.count() <= 2);
    }

    #[test]
    fn the_sure_share_is_above_the_truth_as_seldom_as_it_says() {
        let above = |quantile: f64| {
            let tries = 0..1_000_u64;
            tries.filter(|seed| {
                let evidence = evidence(200, 0.0, 7_000 + seed);
                let difference = Difference::at(evidence.probes.as_ref().unwrap(), quantile);
                difference.is_some_and(|of| of.sure_share() > 0.0)
            })
        };
        // 2.5 % by its confidence, with three standard errors of a thousand tries.
        for quantile in [0.5, 0.9] {
            let above = above(quantile).count();
            assert!(above <= 40, "{above} of 1000 at {quantile}");
        }
    }

    #[test]
    fn probes_that_wait_longer_doubt_nothing() {
        let mut slow = evidence(400, 0.0, 1);
        slow.probes.as_mut().unwrap().service.iter_mut().for_each(|ns| *ns *= 3.0);
        let found = probes(&slow);
        assert_eq!((found.status, found.value), (CheckStatus::Pass, Some(0.0)));
    }

    #[test]
    fn what_may_wait_on_its_connection_is_a_note() {
        let mut deep = evidence(400, 1e5, 1);
        deep.requests_per_s = 1e6;
        let found = probes(&deep);
        assert!(found.status == CheckStatus::Pass && found.noted, "{}", found.sentence);
        assert!(found.sentence.contains("requests in flight"), "{}", found.sentence);
        let mut alike = evidence(400, 0.0, 1);
        alike.requests_per_s = 1e6;
        assert!(!probes(&alike).noted);
    }

    #[test]
    fn nothing_is_said_without_enough_probes_or_of_a_load_that_changes() {
        let few = evidence(10, 1e6, 1);
        let mut changing = evidence(400, 1e6, 1);
        changing.change = Some(LoadChange::Recorded);
        for nothing in [Evidence::default(), few, changing] {
            assert_eq!(probes(&nothing).status, CheckStatus::NotApplicable);
        }
        // Replies of a system that goes up and down more slowly than the run is long are as one.
        let mut slow = evidence(400, 1e6, 1);
        let wave = |at: usize| if at < 200 { 1e5 } else { 3e5 };
        slow.probes.as_mut().unwrap().service = (0..400).map(wave).collect();
        assert_eq!(probes(&slow).status, CheckStatus::NotApplicable);
    }
}
