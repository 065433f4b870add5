//! The effective sample size of a share that was counted request by request.
//!
//! A percentile errs as the share of the values above it does (Heidelberger and Lewis, "Quantile estimation in dependent sequences",
//! 1984), so that share is what is looked at, in the order of time.

use super::student::student_95;
use super::{Z_95, variance};

/// With fewer batches nothing is said: Student's t allows for 16 (Schmeiser, "Batch size effects in the analysis of simulation output", 1982: more
/// than 30 gain next to nothing).
const LEAST_BATCHES: usize = 16;
/// The longest batches resemble their neighbours more than this (von Neumann, "Distribution of the ratio of the mean square successive
/// difference to the variance", 1941): the series is too short for its own memory.
const MOST_ALIKE: f64 = 0.3;
/// Batches that vary by more than this many standard errors of their variance above what independent requests would, are not independent.
const CERTAIN: f64 = 2.0;

/// What one request adds: values that share its luck, and how many of them are above the percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cluster {
    /// Values above, or how many of them are expected to be.
    pub above: f64,
    /// The variance of that number, where it is not known exactly.
    pub unsure: f64,
    /// All its values; above 0.
    pub values: f64,
}

/// The effective sample size of the clusters, in order of time, for the share of values above, with Student's t of few batches
/// counted in: for an interval made with the normal distribution. `None` while batches of clusters that are not independent are still alike.
///
/// The share is a ratio of sums, so a cluster's residual `above - share · values` is what varies, and values of one cluster count for more than
/// one only as far as they differ (the design effect: Kish, "Survey sampling", 1965). Neighbouring clusters are taken together in batches of
/// 1, 2, 4, … as long as there are 16; where these vary more than independent clusters would, it is the variance of the longest that counts,
/// raised by the share of it that batches of this length do not show, which is about the memory by their length, and by what they still have in common, (1+r)/(1-r), as Skart does (Tafazzoli and Wilson, "Skart: a skewness- and autoregression-adjusted
/// batch-means procedure for simulation analysis", 2011).
pub fn effective_sample_size(clusters: &[Cluster]) -> Option<f64> {
    let count = clusters.len() as f64;
    let values: f64 = clusters.iter().map(|cluster| cluster.values).sum();
    let share = clusters.iter().map(|cluster| cluster.above).sum::<f64>() / values;
    let independent = share * (1.0 - share);
    // Without any above, or any below, there is no variance to look at.
    if clusters.is_empty() || independent <= 0.0 {
        return Some(count);
    }
    let size = values / count;
    let mut batches: Vec<f64> =
        clusters.iter().map(|cluster| (cluster.above - share * cluster.values) / size).collect();
    let unsure = clusters.iter().map(|cluster| cluster.unsure).sum::<f64>() / count / (size * size);
    // One request's values never count for more than as many independent ones.
    let alone = ((variance(&batches) + unsure) / independent).max(1.0 / size);
    let (mut length, mut longest, mut alike, mut freedom) = (1.0, alone, 0.0, f64::INFINITY);
    let mut dependent = false;
    while batches.len() >= LEAST_BATCHES {
        freedom = batches.len() as f64 - 1.0;
        longest = (length * variance(&batches) + unsure) / independent;
        alike = correlation(&batches);
        dependent |= longest > alone * (1.0 + CERTAIN * (2.0 / freedom).sqrt());
        batches = batches.chunks_exact(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect();
        length *= 2.0;
    }
    // Of few batches that are independent, one time in ten some are alike by chance: that alone says nothing.
    if !dependent {
        return Some(count / alone);
    }
    if alike > MOST_ALIKE {
        return None;
    }
    let alike = alike.max(0.0);
    let seen = longest.max(alone);
    // `length` is that of the batches after the longest.
    let unseen = 1.0 + seen / (length / 2.0);
    let factor = seen * unseen * (1.0 + alike) / (1.0 - alike);
    Some(count / factor * (Z_95 / student_95(freedom)).powi(2))
}

/// The correlation of values with the ones before.
fn correlation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let products: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    if squares > 0.0 { products / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::examples::ar1;

    fn above(values: &[f64], level: f64) -> Vec<Cluster> {
        let above = values.iter().map(|value| f64::from(u8::from(*value > level)));
        above.map(|above| Cluster { above, unsure: 0.0, values: 1.0 }).collect()
    }

    #[test]
    fn independent_values_count_fully_and_correlated_ones_less() {
        let independent = effective_sample_size(&above(&ar1(0.0, 4_000, 1), 0.0)).unwrap();
        assert!((3_500.0..=4_000.1).contains(&independent), "{independent}");
        let correlated = effective_sample_size(&above(&ar1(0.9, 4_000, 1), 0.0)).unwrap();
        assert!((100.0..1_000.0).contains(&correlated), "{correlated}");
    }

    #[test]
    fn a_series_shorter_than_its_memory_has_no_effective_size() {
        let silent = (0..20)
            .filter(|&seed| effective_sample_size(&above(&ar1(0.99, 1_000, seed), 0.0)).is_none())
            .count();
        assert!(silent >= 12, "{silent} of 20");
    }

    #[test]
    fn replies_of_one_request_count_more_than_once_only_as_far_as_they_differ() {
        let requests = ar1(0.0, 2_000, 5);
        let alike: Vec<Cluster> = above(&requests, 0.0)
            .iter()
            .map(|one| Cluster { above: one.above * 6.0, unsure: 0.0, values: 6.0 })
            .collect();
        let found = effective_sample_size(&alike).unwrap();
        assert!((found / 2_000.0 - 1.0).abs() < 0.15, "{found}");
        let all = ar1(0.0, 12_000, 2);
        let different: Vec<Cluster> = all
            .chunks_exact(6)
            .map(|replies| Cluster {
                above: replies.iter().filter(|value| **value > 0.0).count() as f64,
                unsure: 0.0,
                values: 6.0,
            })
            .collect();
        let found = effective_sample_size(&different).unwrap();
        assert!((found / 12_000.0 - 1.0).abs() < 0.15, "{found}");
    }

    #[test]
    fn what_does_not_vary_counts_fully() {
        assert_eq!(effective_sample_size(&[]), Some(0.0));
        assert_eq!(effective_sample_size(&above(&[7.0; 50], 9.0)), Some(50.0));
    }
}
