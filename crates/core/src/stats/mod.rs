//! Numbers about numbers: intervals, autocorrelation, trend, warm-up, level shift, differences. Pure.
//!
//! Only what the verdict and comparisons use; each function names the source of its formula. Values are in order of time and evenly
//! spaced wherever order matters. Invariant: no clock, no socket, no unit: what goes in has the unit of what comes out.

mod autocorrelation;
mod multiplicity;
mod order;
mod paired;
mod shift;
mod student;
mod trend;
mod unpaired;
mod warmup;
mod effective_sample_size;

pub use autocorrelation::{autocorrelation_time, inflation};
pub use effective_sample_size::{Cluster, effective_sample_size};
pub use multiplicity::holm;
pub use order::{
    Estimate, block_medians, interval, median, next_value, percentile, quantile_named, size_for,
    suffices,
};
pub use paired::{fewest_for, shift, signed_rank_p};
pub use shift::{Shift, level_shift};
pub use student::{OverRuns, over_runs};
pub use trend::slope;
pub use unpaired::{rank_sum_p, shift_between};
pub use warmup::{Truncation, mser5};

/// Of a normal distribution, 95 % is within this many standard deviations.
const Z_95: f64 = 1.96;

/// The variance of values around their own mean.
fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    squares / (values.len() as f64 - 1.0).max(1.0)
}

pub mod examples {
    //! Series with known properties, the same in every run: what estimates are tested with.

    use rand::SeedableRng as _;
    use rand_distr::{Distribution as _, StandardNormal};
    use rand_xoshiro::SplitMix64;

    /// A stationary autoregressive series of mean 0 and variance 1: its autocorrelation time is (1+phi)/(1-phi).
    pub fn ar1(phi: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut random = SplitMix64::seed_from_u64(seed);
        let innovation = (1.0 - phi * phi).sqrt();
        let mut value: f64 = StandardNormal.sample(&mut random);
        (0..count)
            .map(|_| {
                let noise: f64 = StandardNormal.sample(&mut random);
                value = phi * value + innovation * noise;
                value
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-6 * one.abs().max(1.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Values in another unit and from another zero.
        #[test]
        fn what_is_estimated_moves_and_stretches_with_the_values_and_what_is_found_stays(
            seed in 0..1000_u64, scale in 0.1..20.0_f64, up in -100.0..100.0_f64,
        ) {
            let mut values = examples::ar1(0.3, 80, seed);
            values[..20].iter_mut().for_each(|value| *value += 30.0);
            let moved: Vec<f64> = values.iter().map(|value| value * scale + up).collect();
            prop_assert_eq!(mser5(&values), mser5(&moved));
            let [one, other] = [&values, &moved].map(|values| autocorrelation_time(values));
            prop_assert!(one >= 1.0 && near(one, other), "{one} {other}");
            let [one, other] = [&values, &moved].map(|values| level_shift(values).unwrap());
            prop_assert!(one.at == other.at && near(one.strength, other.strength));
            let [one, other] = [&values, &moved].map(|values| slope(values).unwrap());
            prop_assert!(one.low <= one.value && one.value <= one.high);
            prop_assert!(near(one.value * scale, other.value));
            let [one, other] = [&values, &moved].map(|values| percentile(values, 0.9, 80.0).unwrap());
            prop_assert!(one.low <= one.value && one.value <= one.high);
            for (one, other) in [(one.value, other.value), (one.low, other.low), (one.high, other.high)] {
                prop_assert!(near(one * scale + up, other));
            }
        }
    }
}
