//! Where in the distribution two sides differ: the response time to the first reply, quantile by quantile.

use super::effect::{Effect, percent};
use crate::result::{PooledLatency, QuantileComparison};
use zload_core::stats;

/// The quantiles that are looked at: evenly up to the ninetieth percentile, then ever closer to the end.
const QUANTILES: [f64; 14] =
    [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999];

/// Each quantile for which both sides have enough values, with the interval of its difference over the blocks, each block taken as a whole.
///
/// `effect` gets the logarithms of both sides, block by block, where a block has enough values.
pub(super) fn quantiles(
    a: &[PooledLatency],
    b: &[PooledLatency],
    effect: impl Fn(&[Option<f64>], &[Option<f64>]) -> Effect,
) -> Vec<QuantileComparison> {
    let whole = |blocks: &[PooledLatency]| {
        let mut whole = PooledLatency::default();
        for block in blocks {
            whole.merge(block);
        }
        whole
    };
    let (whole_a, whole_b) = (whole(a), whole(b));
    let of = |quantile: f64| -> Option<QuantileComparison> {
        let (a_ns, b_ns) = (at(&whole_a, quantile)?, at(&whole_b, quantile)?);
        let logarithms = |blocks: &[PooledLatency]| -> Vec<Option<f64>> {
            blocks.iter().map(|block| Some((at(block, quantile)? as f64).ln())).collect()
        };
        let estimate = effect(&logarithms(a), &logarithms(b)).estimate;
        let merged = (b_ns as f64 / a_ns as f64).ln();
        Some(QuantileComparison {
            quantile,
            a_ns,
            b_ns,
            effect_percent: percent(estimate.map_or(merged, |estimate| estimate.value)),
            ci_low_percent: estimate.map(|estimate| percent(estimate.low)),
            ci_high_percent: estimate.map(|estimate| percent(estimate.high)),
        })
    };
    QUANTILES.into_iter().filter_map(of).collect()
}

/// The quantile, if there are enough values on its thinner side.
fn at(latencies: &PooledLatency, quantile: f64) -> Option<u64> {
    let histogram = latencies.histogram();
    let enough = stats::suffices(histogram.len() as f64, quantile.max(1.0 - quantile));
    enough.then(|| histogram.value_at_quantile(quantile)).filter(|ns| *ns > 0)
}
