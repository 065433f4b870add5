//! Percentiles and their intervals by order statistics. Invariant: makes no assumption about the distribution.

use super::Z_95;
use crate::quantity::index;

/// A figure and the interval that holds the true one with the confidence that its function names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// How many independent values a percentile `quantile` (0.5 and above) needs: as many as it takes for the upper end of
/// its 95 % interval, the value with rank n·p + 1.96·√(n·p·(1-p)) + 2, to be within the sample.
///
/// Hahn and Meeker, "Statistical intervals", 5.2, normal approximation: a p50 needs 11 values, a p99 726.
pub fn size_for(quantile: f64) -> f64 {
    // With a = n·(1-p), the values above, that is a - 1.96·√p·√a - 2 >= 0.
    let half = Z_95 * quantile.sqrt() / 2.0;
    (half + (half * half + 2.0).sqrt()).powi(2) / (1.0 - quantile)
}

/// The quantile that a name such as `p50`, `p95` or `p999` (99.9 %) stands for.
pub fn quantile_named(name: &str) -> Option<f64> {
    let digits = name.strip_prefix('p')?;
    let all = digits.len() >= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| format!("0.{digits}").parse().ok())?
}

/// Whether `size` independent values are enough for the percentile `quantile` (0.5 and above).
pub fn suffices(size: f64, quantile: f64) -> bool {
    size >= size_for(quantile)
}

/// The percentile `quantile` of the values with its 95 % interval; `None` if there are too few.
///
/// The interval is that of [`size_for`], with the ranks taken in a sample of `effective` independent values, the
/// effective sample size of autocorrelated ones (`n / autocorrelation_time`), and scaled to the real one.
pub fn percentile(values: &[f64], quantile: f64, effective: f64) -> Option<Estimate> {
    let effective = effective.min(values.len() as f64);
    if !suffices(effective, quantile) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| sorted[rank(share, sorted.len())];
    let [low, high] = interval(quantile, effective);
    Some(Estimate { value: at(quantile), low: at(low), high: at(high) })
}

/// The shares of the sorted values at which the interval of [`percentile`] starts and ends, from `effective` independent
/// values; within 0 and 1 if these are enough for the percentile.
pub fn interval(quantile: f64, effective: f64) -> [f64; 2] {
    let margin = Z_95 * (effective * quantile * (1.0 - quantile)).sqrt();
    let ranks = [effective * quantile - margin - 1.0, effective * quantile + margin + 2.0];
    ranks.map(|rank| (rank / effective).clamp(0.0, 1.0))
}

/// Where the next of such independent values will be with 95 %, whatever their distribution: between those with the ranks 0.025·(n+1)
/// and 0.975·(n+1), each of which is as likely to have the next one below it as its share of n+1 (Meeker, Hahn and Escobar,
/// "Statistical intervals", 2017, chapter 5). `None` of fewer than 39 values, which have no such ranks.
pub fn next_value(values: &[f64]) -> Option<[f64; 2]> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = 0.025 * (sorted.len() as f64 + 1.0);
    if rank < 1.0 {
        return None;
    }
    // Between two ranks, in proportion.
    let (at, part, last) = (index(rank) - 1, rank.fract(), sorted.len() - 1);
    let between = |one: usize, next: usize| sorted[one] + (sorted[next] - sorted[one]) * part;
    Some([between(at, at + 1), between(last - at, last - at - 1)])
}

/// The position of the value that ends the lower `share` of `count` sorted values.
fn rank(share: f64, count: usize) -> usize {
    index((share * count as f64).ceil()).clamp(1, count) - 1
}

/// The median, the mean of the two in the middle of an even number; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], upper)
    } else {
        upper
    })
}

/// The medians of at most `blocks` runs of neighbours of the same length; what does not fill a run at the end is left
/// out.
pub fn block_medians(values: &[f64], blocks: usize) -> Vec<f64> {
    let length = values.len().div_ceil(blocks.max(1)).max(1);
    values.chunks_exact(length).filter_map(median).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::examples::ar1;

    #[test]
    fn medians_are_those_of_the_textbook() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(block_medians(&[1.0, 2.0, 9.0, 4.0, 5.0, 6.0, 7.0], 2), [3.0]);
        assert_eq!(block_medians(&[1.0, 2.0, 9.0, 4.0, 5.0, 6.0], 2), [2.0, 5.0]);
        assert_eq!(block_medians(&[1.0, 2.0], 9), [1.0, 2.0]);
    }

    #[test]
    fn the_interval_of_a_median_has_the_ranks_of_the_binomial_distribution() {
        // The 40th to the 61st of 100 values hold it with 96.5 %; the approximation is on the safe side of that.
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let median = percentile(&values, 0.5, 100.0).unwrap();
        assert_eq!((median.value, median.low, median.high), (50.0, 40.0, 62.0));
        let fewer = percentile(&values, 0.5, 25.0).unwrap();
        assert!(fewer.low < median.low && fewer.high > median.high, "{fewer:?}");
        assert_eq!(percentile(&values, 0.9, 68.0), None);
    }

    #[test]
    fn the_interval_covers_the_true_percentile_about_as_often_as_it_says() {
        let covered = (0..400)
            .filter(|&seed| {
                let p90 = percentile(&ar1(0.0, 200, seed), 0.9, 200.0).unwrap();
                // The 90th percentile of the standard normal distribution.
                p90.low <= 1.2816 && 1.2816 <= p90.high
            })
            .count();
        assert!((370..=396).contains(&covered), "{covered} of 400");
    }

    #[test]
    fn the_next_value_is_where_it_is_said_to_be() {
        assert_eq!(next_value(&ar1(0.0, 38, 1)), None);
        for count in [39, 75, 150] {
            let tries = 2_000;
            let held = (0..tries)
                .filter(|&seed| {
                    let values = ar1(0.0, count + 1, seed);
                    let [low, high] = next_value(&values[..count]).unwrap();
                    (low..=high).contains(&values[count])
                })
                .count();
            // Four standard errors of this many tries.
            assert!((1_860..=1_940).contains(&held), "{count}: {held} of {tries}");
        }
        assert_eq!(next_value(&[7.0; 50]), Some([7.0; 2]));
    }
}
