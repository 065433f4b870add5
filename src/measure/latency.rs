//! A latency histogram with fixed bounds that says when it was too small.

use hdrhistogram::Histogram;

/// Significant decimal digits of every recorded value.
const DIGITS: u8 = 3;
/// The largest value that can be told from a larger one: an hour, in nanoseconds.
const HIGHEST_NS: u64 = 3_600_000_000_000;

/// Times in nanoseconds, from 1 ns to an hour at 3 significant digits, in constant memory.
#[derive(Debug, Clone)]
pub struct LatencyHistogram {
    histogram: Histogram<u64>,
    /// Values above the range; they are in the histogram as its largest value.
    clipped: u64,
}

impl LatencyHistogram {
    /// An empty histogram.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, HIGHEST_NS, DIGITS)
            .expect("the bounds are constants in range");
        Self { histogram, clipped: 0 }
    }

    /// Records one time.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        if ns > HIGHEST_NS {
            self.clipped += 1;
        }
        self.histogram.saturating_record(ns);
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("all latency histograms have the same bounds");
        self.clipped += other.clipped;
    }

    /// The values.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// How many values were above the range.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// The value below which `quantile` of the values lie; `None` if too few lie above it for it to mean anything.
    ///
    /// The limit, 7.3 values above, keeps the probability below one in a thousand that none of the sample lies above
    /// the true percentile (1 - e^-7.3 = 0.9993).
    pub fn percentile(&self, quantile: f64) -> Option<u64> {
        const LEAST_ABOVE: f64 = 7.3;
        let above = self.histogram.len() as f64 * (1.0 - quantile);
        (above >= LEAST_ABOVE)
            .then(|| self.histogram.value_at_quantile(quantile).min(self.histogram.max()))
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_beyond_the_range_are_counted_as_clipped() {
        let mut latencies = LatencyHistogram::new();
        latencies.record(HIGHEST_NS);
        assert_eq!(latencies.clipped(), 0);
        latencies.record(HIGHEST_NS + 1);
        latencies.record(u64::MAX);
        assert_eq!(latencies.clipped(), 2);
        assert_eq!(latencies.histogram().len(), 3);
    }

    #[test]
    fn a_percentile_that_the_sample_cannot_carry_is_none() {
        let mut latencies = LatencyHistogram::new();
        for ns in 0..730 {
            latencies.record(ns);
        }
        assert!(latencies.percentile(0.99).is_some());
        assert_eq!(latencies.percentile(0.999), None);
        assert_eq!(LatencyHistogram::new().percentile(0.5), None);
    }

    proptest! {
        #[test]
        fn merging_is_recording_everything_in_one(
            left in prop::collection::vec(0..u64::MAX, 0..50), right in prop::collection::vec(0..10_000_000_u64, 0..50),
        ) {
            let record = |values: &[u64]| {
                let mut latencies = LatencyHistogram::new();
                for &ns in values {
                    latencies.record(ns);
                }
                latencies
            };
            let mut merged = record(&left);
            merged.merge(&record(&right));
            let whole = record(&[left, right].concat());
            prop_assert_eq!(merged.histogram(), whole.histogram());
            prop_assert_eq!(merged.clipped(), whole.clipped());
        }

        #[test]
        fn percentiles_are_ordered_and_within_the_extremes(
            values in prop::collection::vec(0..20_000_000_u64, 80..300),
        ) {
            let mut latencies = LatencyHistogram::new();
            for ns in values {
                latencies.record(ns);
            }
            let p50 = latencies.percentile(0.5).unwrap();
            let p90 = latencies.percentile(0.9).unwrap();
            prop_assert!(p50 <= p90 && p90 <= latencies.histogram().max());
        }
    }
}
