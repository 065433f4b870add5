//! Several distributions as one: what the slices of a side have in common.

use hdrhistogram::Histogram;

use super::summary::Worth;
use super::{HopFigures, Intervals, Latency, LatencySummary};
use crate::measure::LatencyHistogram;

/// A distribution that grows by summaries.
#[derive(Debug, Clone, Default)]
pub struct PooledLatency {
    latencies: LatencyHistogram,
}

impl PooledLatency {
    /// Adds all values of a summary; of one whose histogram cannot be read, nothing.
    pub fn add(&mut self, summary: &LatencySummary) {
        let (Some(histogram), Some(min_ns), Some(max_ns)) =
            (summary.distribution(), summary.min_ns, summary.max_ns)
        else {
            return;
        };
        self.latencies.merge_saved(&histogram, (min_ns, max_ns), summary.clipped);
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
    }

    /// The values.
    pub fn histogram(&self) -> &Histogram<u64> {
        self.latencies.histogram()
    }

    /// The percentile, if there are values enough to carry it.
    pub fn percentile(&self, quantile: f64) -> Option<u64> {
        self.latencies.percentile(quantile)
    }

    /// The distribution. Its percentiles have no intervals: those of a comparison are its blocks'.
    pub fn summary(&self) -> LatencySummary {
        let summary = LatencySummary::new(&self.latencies, &Worth::EXACT);
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
    legs: [Option<PooledLatency>; 11],
}

impl PooledHops {
    /// Adds a run's.
    pub fn add(&mut self, hops: &HopFigures) {
        for (pool, summary) in self.legs.iter_mut().zip(distributions(hops)) {
            if let Some(summary) = summary {
                pool.get_or_insert_default().add(summary);
            }
        }
        match &mut self.pooled {
            None => self.pooled = Some(HopFigures { owners: Vec::new(), ..hops.clone() }),
            Some(pooled) => {
                pooled.sampled += hops.sampled;
                pooled.one_in = pooled.one_in.max(hops.one_in);
                pooled.skipped += hops.skipped;
                pooled.disordered += hops.disordered;
            }
        }
    }

    /// All of them; the owners of the slow requests cannot be told from distributions.
    pub fn summary(&self) -> Option<HopFigures> {
        let [
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
        ] = self.legs.each_ref().map(|pool| pool.as_ref().map(PooledLatency::summary));
        Some(HopFigures {
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
            ..self.pooled.clone()?
        })
    }
}

fn distributions(hops: &HopFigures) -> [Option<&LatencySummary>; 11] {
    [
        hops.to_proxy.as_ref(),
        hops.in_proxy.as_ref(),
        hops.to_worker.as_ref(),
        hops.to_worker_waiting.as_ref(),
        hops.to_worker_transport.as_ref(),
        hops.in_worker.as_ref(),
        hops.in_worker_planned.as_ref(),
        hops.in_worker_overshoot.as_ref(),
        hops.back_to_proxy.as_ref(),
        hops.back_in_proxy.as_ref(),
        hops.to_client.as_ref(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recorded(values: &[u64]) -> LatencyHistogram {
        let mut latencies = LatencyHistogram::new();
        for ns in values {
            latencies.record(*ns);
        }
        latencies
    }

    proptest! {
        #[test]
        fn pooling_what_was_saved_is_recording_everything_in_one(
            parts in prop::collection::vec(prop::collection::vec(0..10_000_000_000_u64, 0..100), 1..5),
        ) {
            let mut pooled = PooledLatency::default();
            for part in &parts {
                pooled.add(&LatencySummary::new(&recorded(part), &Worth::EXACT));
            }
            let whole = LatencySummary::new(&recorded(&parts.concat()), &Worth::EXACT);
            prop_assert_eq!(pooled.summary(), LatencySummary { intervals: Intervals::default(), ..whole });
        }
    }
}
