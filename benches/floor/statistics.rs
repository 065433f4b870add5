//! The median of a few ratios and how far it can be trusted.
//!
//! Pure. Invariant: an interval is either at its level or absent; too few values give none.

use zload_core::stats::median;

/// A distribution-free interval that covers the median with a probability of at least 95 %; `None` below six values.
///
/// Between the order statistics `x(j)` and `x(n + 1 - j)` with the largest `j` for which `1 - 2 P(B <= j - 1) >= 0.95`,
/// where `B` is binomial with `n` and 1/2 (Hahn & Meeker, Statistical Intervals, 5.2).
pub(crate) fn median_interval(values: &[f64]) -> Option<(f64, f64)> {
    let sorted = sorted(values);
    let rank = interval_rank(sorted.len())?;
    Some((sorted[rank - 1], sorted[sorted.len() - rank]))
}

/// The `j` of [`median_interval`], counted from 1.
fn interval_rank(n: usize) -> Option<usize> {
    // P(B = 0); below 2^-1000 no sample of this size would ever be taken.
    let mut probability = 0.5_f64.powi(i32::try_from(n).ok()?);
    let mut tail = probability;
    let mut rank = 0;
    while tail <= 0.025 && rank < n {
        rank += 1;
        probability *= (n + 1 - rank) as f64 / rank as f64;
        tail += probability;
    }
    (rank > 0).then_some(rank)
}

/// The values of one figure, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    /// 95 %, of the median; absent below six values.
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) n: usize,
}

impl Summary {
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let median = median(values)?;
        Some(Self { median, interval: median_interval(values), n: values.len() })
    }

    /// Whether half the interval's width is at most this share of the median, or of the limit that the median is held
    /// against if that is larger: what is far below its limit need not be known better.
    pub(crate) fn is_narrow(&self, share: f64, limit: f64) -> bool {
        let half_width = self.interval.map(|(low, high)| (high - low) / 2.0);
        half_width.is_some_and(|half_width| half_width <= share * self.median.abs().max(limit))
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first(n: u32) -> Vec<f64> {
        (1..=n).map(f64::from).collect()
    }

    /// The ranks that the tables of the sign test give.
    #[test]
    fn intervals_have_the_ranks_of_the_tables() {
        assert_eq!(median_interval(&first(5)), None);
        for (n, low, high) in [
            (6, 1.0, 6.0),
            (8, 1.0, 8.0),
            (9, 2.0, 8.0),
            (10, 2.0, 9.0),
            (20, 6.0, 15.0),
            (25, 8.0, 18.0),
        ] {
            assert_eq!(median_interval(&first(n)), Some((low, high)), "{n} values");
        }
    }

    #[test]
    fn narrow_is_measured_by_the_median_or_a_larger_limit() {
        let summary = Summary { median: 0.5, interval: Some((0.48, 0.52)), n: 9 };
        assert!(!summary.is_narrow(0.03, 0.0));
        assert!(summary.is_narrow(0.03, 1.0));
        assert!(!Summary { interval: None, ..summary }.is_narrow(0.03, 1.0), "too few to say");
    }

    proptest! {
        #[test]
        fn an_interval_holds_the_median_and_follows_a_change_of_unit(
            values in prop::collection::vec(0.01_f64..100.0, 6..60), rotate in 0_usize..60
        ) {
            let summary = Summary::of(&values).expect("there are values");
            let (low, high) = summary.interval.expect("there are six values");
            prop_assert!(low <= summary.median && summary.median <= high);

            let mut other: Vec<f64> = values.iter().map(|value| value * 4.0).collect();
            other.rotate_left(rotate % values.len());
            let other = Summary::of(&other).expect("there are values");
            // A power of two, so that nothing is rounded and the values are the same bits.
            let expected = Summary { median: summary.median * 4.0, interval: Some((low * 4.0, high * 4.0)), ..summary };
            prop_assert_eq!(other, expected);
        }

        /// The next rank inwards would cover too little, this one covers enough.
        #[test]
        fn the_rank_is_the_largest_that_still_covers(n in 6_usize..200) {
            let below = |rank: usize| -> f64 {
                let mut term = 0.5_f64.powi(i32::try_from(n).expect("small"));
                let mut sum = 0.0;
                for k in 0..rank {
                    sum += term;
                    term *= (n - k) as f64 / (k + 1) as f64;
                }
                sum
            };
            let rank = interval_rank(n).expect("six values are enough");
            prop_assert!(1.0 - 2.0 * below(rank) >= 0.95);
            prop_assert!(1.0 - 2.0 * below(rank + 1) < 0.95);
        }
    }
}
