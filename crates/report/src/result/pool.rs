//! Several distributions as one: what the slices of a side have in common.

use hdrhistogram::Histogram;

use super::summary::Basis;
use super::{HopFigures, Intervals, Latency, LatencySummary};
use zload_core::record::LatencyHistogram;

/// A distribution that grows by summaries.
#[derive(Debug, Clone, Default)]
pub struct PooledLatency {
    latencies: LatencyHistogram,
}

impl PooledLatency {
    /// Adds all values of a summary; of one whose histogram cannot be read, nothing.
    pub fn add(&mut self, summary: &LatencySummary) {
        let (Some(histogram), Some(min_ns), Some(mean_ns), Some(max_ns)) =
            (summary.distribution(), summary.min_ns, summary.mean_ns, summary.max_ns)
        else {
            return;
        };
        self.latencies.merge_saved(&histogram, (min_ns, mean_ns, max_ns), summary.clipped);
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
    }

    /// The values.
    pub fn histogram(&self) -> &Histogram<u64> {
        self.latencies.histogram()
    }

    /// The percentile, if there are enough values for it.
    pub fn percentile(&self, quantile: f64) -> Option<u64> {
        self.latencies.percentile(quantile)
    }

    /// The distribution. Its percentiles have no intervals: those of a comparison are its blocks'.
    pub fn summary(&self) -> LatencySummary {
        let summary = LatencySummary::new(&self.latencies, Basis::Computed);
        LatencySummary { intervals: Intervals::default(), ..summary }
    }
}

/// The latencies of several runs.
#[derive(Debug, Clone, Default)]
pub struct PooledLatencies {
    kinds: [PooledLatency; 5],
}

impl PooledLatencies {
    /// Adds a run's.
    pub fn add(&mut self, latency: &Latency) {
        let Latency { first_reply, last_reply, reply, service, slip } = latency;
        for (pool, summary) in
            self.kinds.iter_mut().zip([first_reply, last_reply, reply, service, slip])
        {
            pool.add(summary);
        }
    }

    /// All of them.
    pub fn summary(&self) -> Latency {
        let [first_reply, last_reply, reply, service, slip] =
            self.kinds.each_ref().map(PooledLatency::summary);
        Latency { first_reply, last_reply, reply, service, slip }
    }
}

/// The hops of several runs.
#[derive(Debug, Clone, Default)]
pub struct PooledHops {
    pooled: Option<HopFigures>,
    legs: [Option<PooledLatency>; 14],
}

impl PooledHops {
    /// Adds a run's.
    pub fn add(&mut self, hops: &HopFigures) {
        let mut added = hops.clone();
        for (pool, summary) in self.legs.iter_mut().zip(distributions(&mut added)) {
            if let Some(summary) = summary {
                pool.get_or_insert_default().add(summary);
            }
        }
        added.owners.clear();
        let Some(pooled) = &mut self.pooled else {
            self.pooled = Some(added);
            return;
        };
        // What a file says may be too large to add.
        pooled.sampled = pooled.sampled.saturating_add(added.sampled);
        pooled.one_in = pooled.one_in.max(added.one_in);
        pooled.followed_one_in = pooled.followed_one_in.max(added.followed_one_in);
        pooled.skipped = pooled.skipped.saturating_add(added.skipped);
        pooled.disordered = pooled.disordered.saturating_add(added.disordered);
    }

    /// All of them; the legs of the slow requests cannot be derived from distributions.
    pub fn summary(&self) -> Option<HopFigures> {
        let mut hops = self.pooled.clone()?;
        for (summary, pool) in distributions(&mut hops).into_iter().zip(&self.legs) {
            *summary = pool.as_ref().map(PooledLatency::summary);
        }
        Some(hops)
    }
}

impl HopFigures {
    /// The same without percentiles: those of different loads have no meaning.
    pub(super) fn without_percentiles(mut self) -> Self {
        for leg in distributions(&mut self) {
            *leg = leg.take().map(LatencySummary::without_percentiles);
        }
        self
    }
}

impl Latency {
    /// The same without percentiles: those of different loads have no meaning.
    pub(super) fn without_percentiles(self) -> Self {
        let Self { first_reply, last_reply, reply, service, slip } = self;
        let [first_reply, last_reply, reply, service, slip] =
            [first_reply, last_reply, reply, service, slip]
                .map(LatencySummary::without_percentiles);
        Self { first_reply, last_reply, reply, service, slip }
    }
}

/// Every distribution of hops: of each leg, and of the parts of three of them.
fn distributions(hops: &mut HopFigures) -> [&mut Option<LatencySummary>; 14] {
    // What is no distribution is pooled in `add`; a field that is not named here does not compile.
    let HopFigures {
        sampled: _,
        one_in: _,
        followed_one_in: _,
        skipped: _,
        disordered: _,
        to_proxy,
        in_proxy,
        to_worker,
        to_worker_waiting,
        to_worker_transport,
        in_worker,
        in_worker_planned,
        in_worker_overshoot,
        back_to_proxy,
        back_in_proxy,
        to_client,
        in_generator,
        in_generator_waking,
        in_generator_queue,
        owners: _,
    } = hops;
    [
        to_proxy,
        in_proxy,
        to_worker,
        to_worker_waiting,
        to_worker_transport,
        in_worker,
        in_worker_planned,
        in_worker_overshoot,
        back_to_proxy,
        back_in_proxy,
        to_client,
        in_generator,
        in_generator_waking,
        in_generator_queue,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recorded(values: &[u64]) -> LatencyHistogram {
        values.iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pooling_what_was_saved_is_recording_everything_in_one(
            parts in prop::collection::vec(prop::collection::vec(0..10_000_000_000_u64, 0..100), 1..5),
        ) {
            let mut pooled = PooledLatency::default();
            for part in &parts {
                pooled.add(&LatencySummary::new(&recorded(part), Basis::Computed));
            }
            let whole = LatencySummary::new(&recorded(&parts.concat()), Basis::Computed);
            let pooled = pooled.summary();
            // Means are saved in whole nanoseconds.
            let off = pooled.mean_ns.zip(whole.mean_ns).map(|(one, other)| one.abs_diff(other));
            prop_assert!(off.is_none_or(|ns| ns <= 1), "{:?}", off);
            let mean_ns = pooled.mean_ns;
            prop_assert_eq!(pooled, LatencySummary { intervals: Intervals::default(), mean_ns, ..whole });
        }
    }

    #[test]
    fn hops_are_pooled_leg_by_leg_and_a_hidden_one_stays_hidden() {
        let mut hops = HopFigures {
            sampled: 7,
            one_in: 2,
            followed_one_in: Some(2),
            skipped: 1,
            ..HopFigures::default()
        };
        for (index, leg) in distributions(&mut hops).into_iter().enumerate() {
            *leg = Some(LatencySummary::new(&recorded(&vec![5; index + 1]), Basis::Computed));
        }
        hops.in_proxy = None;
        let mut pooled = PooledHops::default();
        assert_eq!(pooled.summary(), None);
        pooled.add(&hops);
        pooled.add(&hops);
        let both = pooled.summary().unwrap();
        assert_eq!((both.sampled, both.one_in, both.skipped), (14, 2, 2));
        let count = |leg: &Option<LatencySummary>| leg.as_ref().map(|summary| summary.count);
        assert_eq!(
            [&both.to_proxy, &both.in_proxy, &both.to_client].map(count),
            [Some(2), None, Some(22)]
        );
        // A file may say any number.
        pooled.add(&HopFigures { sampled: u64::MAX, ..hops });
        assert_eq!(pooled.summary().map(|all| all.sampled), Some(u64::MAX));
    }
}
