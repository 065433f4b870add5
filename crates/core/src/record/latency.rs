//! A latency histogram with fixed bounds that says when it was too small.

use hdrhistogram::Histogram;

use crate::stats;

/// Significant decimal digits of every recorded value.
const DIGITS: u8 = 3;
/// The largest value that differs from a larger one: an hour, in nanoseconds.
const HIGHEST_NS: u64 = 3_600_000_000_000;

/// Times in nanoseconds, from 1 ns to an hour at 3 significant digits, in constant memory.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyHistogram {
    histogram: Histogram<u64>,
    /// Values above the range; they are in the histogram as its largest value.
    clipped: u64,
    /// The extremes as they were, not as the histogram rounds them.
    min_ns: u64,
    max_ns: u64,
    /// Up to here values are neither the longest so far nor above the range.
    usual_ns: u64,
    /// The sum of the values as they were; signed, for the saved ones of differences.
    sum_ns: i128,
}

impl LatencyHistogram {
    /// An empty histogram.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, HIGHEST_NS, DIGITS)
            .expect("the bounds are constants in range");
        Self { histogram, clipped: 0, min_ns: u64::MAX, max_ns: 0, usual_ns: 0, sum_ns: 0 }
    }

    /// Records one time.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        if ns > self.usual_ns {
            self.longest(ns, 1);
        }
        if ns < self.min_ns {
            self.shortest(ns);
        }
        self.sum_ns += i128::from(ns);
        self.histogram.saturating_record(ns);
    }

    /// Records the same time `count` times.
    pub fn record_n(&mut self, ns: u64, count: u64) {
        if count == 0 {
            return;
        }
        self.shortest(ns.min(self.min_ns));
        self.longest(ns, count);
        self.sum_ns += i128::from(ns) * i128::from(count);
        self.histogram.saturating_record_n(ns, count);
    }

    /// What only the longest times so far and those above the range need, so that the others do not pay for it.
    #[cold]
    #[inline(never)]
    fn longest(&mut self, ns: u64, count: u64) {
        if ns > HIGHEST_NS {
            self.clipped += count;
        }
        self.widen(u64::MAX, ns);
    }

    #[cold]
    #[inline(never)]
    fn shortest(&mut self, ns: u64) {
        self.min_ns = ns;
    }

    fn widen(&mut self, min_ns: u64, max_ns: u64) {
        self.min_ns = self.min_ns.min(min_ns);
        self.max_ns = self.max_ns.max(max_ns);
        self.usual_ns = self.max_ns.min(HIGHEST_NS);
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("all latency histograms have the same bounds");
        self.clipped += other.clipped;
        self.widen(other.min_ns, other.max_ns);
        self.sum_ns += other.sum_ns;
    }

    /// Adds the values of a histogram that was saved, with its extremes and its mean as they were and the number that it
    /// clipped.
    pub fn merge_saved(
        &mut self,
        saved: &Histogram<u64>,
        (min_ns, mean_ns, max_ns): (u64, i64, u64),
        clipped: u64,
    ) {
        for value in saved.iter_recorded() {
            self.histogram.saturating_record_n(value.value_iterated_to(), value.count_at_value());
        }
        self.clipped += clipped;
        self.widen(min_ns, max_ns);
        self.sum_ns += i128::from(mean_ns) * i128::from(saved.len());
    }

    /// A histogram with these values, of which `clipped` were above the range, and these extremes and sum.
    pub(super) fn of_parts(
        histogram: Histogram<u64>,
        clipped: u64,
        (min_ns, max_ns): (u64, u64),
        sum_ns: i128,
    ) -> Self {
        Self { histogram, clipped, min_ns, max_ns, usual_ns: max_ns.min(HIGHEST_NS), sum_ns }
    }

    /// The same of these values and how many there are of each, as a histogram iterates over them.
    pub(super) fn of_counts(
        counts: &[(u64, u64)],
        clipped: u64,
        extremes: (u64, u64),
        sum_ns: i128,
    ) -> Self {
        let mut latencies = Self::new();
        for (value, count) in counts {
            latencies.histogram.saturating_record_n(*value, *count);
        }
        Self::of_parts(latencies.histogram, clipped, extremes, sum_ns)
    }

    /// The sum of the values as they were, in nanoseconds.
    pub(super) fn sum_ns(&self) -> i128 {
        self.sum_ns
    }

    /// The values.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// How many values were above the range.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// The smallest value, exactly.
    pub fn min(&self) -> Option<u64> {
        (!self.histogram.is_empty()).then_some(self.min_ns)
    }

    /// The largest value, exactly.
    pub fn max(&self) -> Option<u64> {
        (!self.histogram.is_empty()).then_some(self.max_ns)
    }

    /// The mean, exactly but for the fraction of a nanosecond: not the histogram's, which is off by its rounding.
    pub fn mean(&self) -> Option<i64> {
        let count = i128::from(self.histogram.len());
        (count > 0).then(|| rounded(self.sum_ns, count))
    }

    /// The value below which `quantile` of the values lie; `None` if the sample is too small for it.
    ///
    /// [`stats::suffices`] says when: a p99 needs 726 values, a p99.9 7,289.
    pub fn percentile(&self, quantile: f64) -> Option<u64> {
        self.percentile_of(quantile, self.histogram.len())
    }

    /// The same, if only this many of the values are distinct: copies do not count.
    pub fn percentile_of(&self, quantile: f64, different: u64) -> Option<u64> {
        stats::suffices(different.min(self.histogram.len()) as f64, quantile)
            .then(|| self.histogram.value_at_quantile(quantile).clamp(self.min_ns, self.max_ns))
    }

    /// The 95 % confidence interval of [`Self::percentile`], its ends in nanoseconds, if the effective sample size is
    /// `effective`; `None` if that is too small.
    pub fn interval(&self, quantile: f64, effective: f64) -> Option<[u64; 2]> {
        stats::suffices(effective, quantile).then(|| {
            stats::interval(quantile, effective).map(|share| {
                self.histogram.value_at_quantile(share).clamp(self.min_ns, self.max_ns)
            })
        })
    }
}

/// A sum divided by a positive count, to the nearest whole number; what is beyond the range is its end.
pub fn rounded(sum: i128, count: i128) -> i64 {
    let mean = (2 * sum + count).div_euclid(2 * count);
    i64::try_from(mean).unwrap_or(if mean < 0 { i64::MIN } else { i64::MAX })
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> FromIterator<&'a u64> for LatencyHistogram {
    fn from_iter<I: IntoIterator<Item = &'a u64>>(times_ns: I) -> Self {
        let mut latencies = Self::new();
        times_ns.into_iter().for_each(|ns| latencies.record(*ns));
        latencies
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
        latencies.merge(&[HIGHEST_NS + 1, u64::MAX].iter().collect());
        assert_eq!(latencies.clipped(), 2);
        assert_eq!(latencies.histogram().len(), 3);
    }

    #[test]
    fn a_percentile_with_too_few_samples_is_none() {
        let mut latencies = LatencyHistogram::new();
        for (quantile, least) in [(0.5, 11), (0.9, 69), (0.99, 726), (0.999, 7_289)] {
            while latencies.histogram().len() < least {
                assert_eq!(latencies.percentile(quantile), None, "{}", latencies.histogram().len());
                latencies.record(5);
            }
            assert_eq!(latencies.percentile(quantile), Some(5), "{quantile}");
        }
        assert_eq!(LatencyHistogram::new().percentile(0.5), None);
    }

    #[test]
    fn extremes_are_exact_where_the_histogram_rounds() {
        let mut latencies = LatencyHistogram::new();
        assert_eq!((latencies.min(), latencies.max()), (None, None));
        latencies.record(123_456_789);
        latencies.record(u64::MAX);
        assert_eq!((latencies.min(), latencies.max()), (Some(123_456_789), Some(u64::MAX)));
    }

    #[test]
    fn the_mean_is_that_of_the_values_and_not_of_the_histograms_buckets() {
        let mut latencies = LatencyHistogram::new();
        assert_eq!(latencies.mean(), None);
        latencies.record(40_304_899);
        assert_eq!(latencies.mean(), Some(40_304_899), "one value is its mean");
        latencies.record_n(10, 3);
        assert_eq!(latencies.mean(), Some(10_076_232), "10,076,232.25");
        assert_eq!([rounded(-3, 2), rounded(-5, 3), rounded(3, 2)], [-1, -2, 2]);
        assert_eq!(rounded(i128::from(u64::MAX), 1), i64::MAX);
    }

    proptest! {
        #[test]
        fn merging_is_recording_everything_in_one(
            left in prop::collection::vec(0..u64::MAX, 0..50), right in prop::collection::vec(0..10_000_000_u64, 0..50),
        ) {
            let mut merged: LatencyHistogram = left.iter().collect();
            merged.merge(&right.iter().collect());
            let whole: LatencyHistogram = left.iter().chain(&right).collect();
            prop_assert_eq!(merged.histogram(), whole.histogram());
            prop_assert_eq!(merged.clipped(), whole.clipped());
            prop_assert_eq!((merged.min(), merged.mean(), merged.max()), (whole.min(), whole.mean(), whole.max()));
        }

        #[test]
        fn percentiles_are_ordered_and_within_the_extremes(
            values in prop::collection::vec(0..20_000_000_u64, 80..300),
        ) {
            let latencies: LatencyHistogram = values.iter().collect();
            let p50 = latencies.percentile(0.5).unwrap();
            let p90 = latencies.percentile(0.9).unwrap();
            prop_assert!(latencies.min() <= Some(p50) && p50 <= p90 && Some(p90) <= latencies.max());
            let mean = u64::try_from(latencies.mean().unwrap()).unwrap();
            prop_assert!(latencies.min() <= Some(mean) && Some(mean) <= latencies.max());
        }
    }
}
